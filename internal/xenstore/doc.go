// Package xenstore reads and writes xenstore, where Xen's toolstack keeps what devices
// guests have. It speaks the daemon's protocol (xen/include/public/io/xs_wire.h,
// docs/misc/xenstore.txt) itself, and asks no program.
//
// Everything has a bound: the whole of a conversation has a time limit, a message has
// the protocol's greatest length, and so has a list.
package xenstore
