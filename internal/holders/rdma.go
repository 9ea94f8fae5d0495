package holders

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Device is a device of RDMA, such as those of RoCE and iWARP, and an interface whose
// addresses it has.
type Device struct {
	Index int
	Name  string
}

// readRDMA finds the devices of RDMA. Each has the addresses of its own interface and of
// what that is a port of (roce_gid_mgmt.c), with the interface that each is of.
func readRDMA(r *reader) error {
	entries, err := filepath.Glob("/sys/class/infiniband/*/ports/*/gid_attrs/ndevs/*")
	for _, e := range entries {
		name, err := os.ReadFile(e)
		if err != nil { // an entry that is not in use
			continue
		}
		d := Device{r.indexOf(strings.TrimSpace(string(name))), strings.Split(e, "/")[4]}
		if !slices.Contains(r.Devices, d) {
			r.Devices = append(r.Devices, d)
		}
	}
	return err
}

// findRDMA: connections are bound to the entry of the address that they began with, which
// goes when the address moves. A bridge's addresses the device of its port has as well, but
// not those of an interface on the bridge.
func findRDMA(d *Data, m Move) (all []Holder) {
	for _, device := range d.Devices {
		if device.Index != m.From.Index {
			continue
		}
		then := "its connections end: connect anew afterwards"
		if m.Start && !m.OnBridge {
			then = "it has none of dom0's addresses by a port of dom0's own: give dom0=bridge, and connect anew afterwards, or name another NIC with netdev="
		}
		all = append(all, Holder{Kind: "RDMA", What: "device " + device.Name, Outcome: Breaks, Then: then})
	}
	return all
}
