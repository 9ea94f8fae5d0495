// Package vif is what Xen's hotplug script vif-bridge does: a guest's port gets its name
// and its bridge, and leaves it.
//
// A Call is how Xen's tools call such a script, and a Plan what becomes of the port.
// Planning is a pure function of the call, of what xenstore says and of a snapshot of the
// host. What the guest may send is planned by others: before the port joins a bridge.
//
// Facts about Xen come from tools/hotplug/Linux of Xen 4.20 (vif-bridge, vif-common.sh,
// xen-network-common.sh, xen-hotplug-common.sh), tools/examples of Xen 3.0 to 3.4, and
// libxl (libxl_linux.c, get_hotplug_env and libxl__hotplug_nic).
package vif
