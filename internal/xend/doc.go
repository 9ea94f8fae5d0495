// Package xend does for tests what xend, the toolstack of Xen 3 and 4.0 to
// 4.4, does with xend-config.sxp when it starts: it looks up network-script,
// and says what xend runs. The product does not use it.
//
// What xend does was read in its sources, tools/python/xen/xend: sxp.py,
// XendOptions.py and Vifctl.py.
package xend
