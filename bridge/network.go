package bridge

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"xbr-script/internal/config"
	"xbr-script/internal/guest"
	"xbr-script/internal/host"
)

// network is a bridge with its NIC that is up on the host, or that has a record.
type network struct {
	Spec
	live     bool // the NIC has its second name
	recorded bool
}

// Standing is every network that is up, with or without a record.
func Standing(h *host.Host, records []*Record) []Spec {
	var specs []Spec
	for _, n := range networks(h, records) {
		if n.live {
			specs = append(specs, n.Spec)
		}
	}
	return specs
}

// Same says whether both are the same network.
func (w Spec) Same(o Spec) bool { return w.Bridge == o.Bridge && w.NetDev == o.NetDev }

// Others are the networks that are not among the wanted ones, each as
// "xenbr0 (eth0)".
func Others(networks, specs []Spec) []string {
	var names []string
	for _, n := range networks {
		if !slices.ContainsFunc(specs, n.Same) {
			names = append(names, n.Bridge+" ("+n.NetDev+")")
		}
	}
	return names
}

// networks are those that are up, by their records or by the live network, and then
// those that only have a record. A NIC that is given need not be among them.
func networks(h *host.Host, records []*Record, nics ...string) []network {
	var live, gone []network
	for _, rec := range records {
		n := network{Spec: rec.found(h), recorded: true}
		nic := h.Name(n.PDev)
		if n.live = nic != nil && nic.Name == n.PDev || n.Strayed != 0; n.live {
			live = append(live, n)
		} else {
			gone = append(gone, n)
		}
	}
	for _, nic := range h.Links {
		for _, netdev := range firstNames(nic.Name, h, nics...) {
			known := func(n network) bool { return n.PDev == nic.Name || n.NetDev == netdev || n.Strayed == nic.Index }
			if slices.ContainsFunc(live, known) {
				continue
			}
			if w, ok := unrecorded(netdev, nic, h); ok {
				live = append(live, network{Spec: w, live: true})
			}
		}
	}
	return append(live, gone...)
}

// Recorded are the networks that have a record, up or not.
func Recorded(h *host.Host, records []*Record) (specs []Spec) {
	for _, rec := range records {
		specs = append(specs, rec.found(h))
	}
	return specs
}

// found is what was started, with the NIC by whichever name it has.
func (r *Record) found(h *host.Host) Spec {
	w := r.Spec
	if h.Name(w.PDev) == nil {
		w.Strayed = strayedNIC(w, h)
	}
	return w
}

// strayedNIC is the index of the NIC of a network that has a record, if somebody has
// given it another name: the one port of the bridge that has the MAC address which the
// NIC has as a port, and is no guest's. 0: it is not known.
func strayedNIC(w Spec, h *host.Host) (index int) {
	br, mac := h.Name(w.Bridge), portMAC
	if br == nil || br.Kind != "bridge" {
		return 0
	}
	if w.onBridge() {
		mac = br.MAC
	}
	for _, l := range h.Ports(br.Index) {
		if !sameMAC(l.MAC, mac) || l.Name == w.VIF || guest.IsPort(l.Name) {
			continue
		}
		if index != 0 {
			return 0
		}
		index = l.Index
	}
	return index
}

// unrecorded is the network of a NIC that has its second name, as the interfaces
// show it: somebody else's script has started it, or its record is lost.
func unrecorded(netdev string, nic *host.Link, h *host.Host) (Spec, bool) {
	w := Spec{NetDev: netdev, PDev: nic.Name}
	w.VifNum, _ = strconv.Atoi(trailingDigits(netdev)) // without digits it is 0
	if br := carrying(netdev, h); br != nil {
		w.Bridge = br.Name
		return w.onTop(), true
	}
	port := dom0Port(netdev, nic, h)
	if port == nil {
		return w, false
	}
	w.VifNum, _ = strconv.Atoi(strings.TrimPrefix(port.Name, vifPrefix))
	w.Bridge = bridgeNumbered(w.VifNum)
	for _, part := range []*host.Link{nic, port} {
		if br := h.Index(part.Master); br != nil {
			w.Bridge = br.Name
			break
		}
	}
	w.Why = []string{fmt.Sprintf("vifnum=%d, as dom0's port is %s", w.VifNum, port.Name)}
	return w.onPair(), true
}

const vifPrefix = "vif0."

// dom0Port is dom0's port for a NIC: the other end of dom0's interface. A pair of
// Xen 3's kernel does not say what its other end is: then it is the port in the
// NIC's bridge that has such a name.
func dom0Port(netdev string, nic *host.Link, h *host.Host) *host.Link {
	dev := h.Name(netdev)
	if dev == nil || dev.Name != netdev || dev.Kind == "bridge" {
		return nil
	}
	ports := h.Ports(nic.Master)
	if dev.Kind == "veth" && !dev.Elsewhere {
		ports = []*host.Link{h.Index(dev.Lower)}
	}
	i := slices.IndexFunc(ports, func(l *host.Link) bool {
		return l != nil && l.Name == vifPrefix+trailingDigits(l.Name) && l.Name != vifPrefix
	})
	if i < 0 {
		return nil
	}
	return ports[i]
}

// word is a key that names a part of a network, and its value.
type word struct{ key, value string }

// given are the words of a request that say which network it means.
func given(b config.Bridge) []word {
	var words []word
	if b.NetDev != "" {
		words = append(words, word{"netdev", b.NetDev})
	}
	if b.Bridge != "" {
		words = append(words, word{"bridge", b.Bridge})
	}
	if b.VifNum != nil {
		words = append(words, word{"vifnum", strconv.Itoa(*b.VifNum)})
	}
	return words
}

// word is the network's value of a key, "" if that is not known: only a record
// gives a number to a bridge that is dom0's interface.
func (n network) word(key string) string {
	switch key {
	case "netdev":
		return n.NetDev
	case "bridge":
		return n.Bridge
	case "dom0":
		return n.Shape.String()
	}
	if n.onBridge() && !n.recorded {
		return ""
	}
	return strconv.Itoa(n.VifNum)
}

// unfit says which of the request's words do not fit the network.
func (n network) unfit(b config.Bridge) []string {
	words := given(b)
	if b.Dom0 != config.Dom0AsIs {
		words = append(words, word{"dom0", string(b.Dom0)})
	}
	var texts []string
	for _, w := range words {
		if is := n.word(w.key); is != "" && is != w.value {
			texts = append(texts, fmt.Sprintf("%s=%s was asked for, and what is up has %s=%s", w.key, w.value, w.key, is))
		}
	}
	return texts
}

// as is the network with what else the request says.
func (n network) as(b config.Bridge) Spec {
	w := n.Spec
	w.AntiSpoof, w.GuestsAllow = b.AntiSpoof, b.GuestsAllow
	w.Why = slices.DeleteFunc(slices.Clone(w.Why), func(why string) bool {
		key, _, _ := strings.Cut(why, "=")
		return slices.ContainsFunc(given(b), func(w word) bool { return w.key == key })
	})
	return w
}

// text is how messages name the network.
func (n network) text() string {
	how := "is up"
	if !n.live {
		how = "was started"
	}
	text := fmt.Sprintf("%s %s with netdev=%s", n.Bridge, how, n.NetDev)
	for _, key := range []string{"vifnum", "dom0"} {
		if value := n.word(key); value != "" {
			text += " " + key + "=" + value
		}
	}
	return text
}

// refuse is the error for a request that names n and contradicts it. It says what
// is up: each network that one of the words names.
func (r *resolver) refuse(b config.Bridge, n *network) error {
	words := string(r.command)
	asked := given(b)
	if b.Dom0 != config.Dom0AsIs {
		asked = append(asked, word{"dom0", string(b.Dom0)})
	}
	var up []string
	for _, o := range r.nets {
		named := slices.ContainsFunc(given(b), func(w word) bool { return o.live && o.word(w.key) == w.value })
		if named || o.Same(n.Spec) {
			up = append(up, o.text())
		}
	}
	for _, w := range asked {
		words += " " + w.key + "=" + w.value
	}
	return refuse(r.advice(b, n), "cannot %s: %s", words, strings.Join(up, ", "))
}

// advice is the hint for a request that does not fit n.
func (r *resolver) advice(b config.Bridge, n *network) string {
	stop := "xbr-script stop bridge=" + n.Bridge + " netdev=" + n.NetDev
	switch {
	case r.command == config.Stop && n.live:
		return "to stop it: " + stop
	case r.command == config.Stop:
		return "to drop its record: " + stop
	case b.NetDev != "" && b.NetDev != n.NetDev:
		return "give " + b.NetDev + " a bridge= of its own, and leave vifnum= out"
	}
	return "what is up stays as it is; for another, stop it first: " + stop
}
