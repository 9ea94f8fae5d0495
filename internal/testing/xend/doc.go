// Package xend does for tests what xend, the toolstack of Xen 3 and 4.0 to
// 4.4, does with xend-config.sxp: it looks up network-script, and says what
// xend runs, when, and where the output goes. The product does not use it.
//
// What xend does was read in its sources, tools/python/xen/xend: sxp.py,
// XendOptions.py (until 3.0.4 XendRoot.py), Vifctl.py and XendPIF.py. What
// TestVersions expects is what sxp.py of each version said under Python 2.7.
package xend
