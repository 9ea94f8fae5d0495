package main

import (
	"slices"
	"testing"
)

// TestSingle has ip alone do what settings do besides, as far as it can.
func TestSingle(t *testing.T) {
	got := single(`ip link set dev peth0 master xenbr0
sysctl -qw /net/ipv6/conf/vif0.0/disable_ipv6=1
sysctl -qw /net/ipv6/conf/peth0/disable_ipv6=1
ip link set dev peth0 address fe:ff:ff:ff:ff:ff || true
`)
	want := []string{"link set dev peth0 master xenbr0", "link set dev peth0 address fe:ff:ff:ff:ff:ff", "addr flush dev peth0"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestOneByOne turns a deletion by a group into one of each interface, and leaves
// other groups alone.
func TestOneByOne(t *testing.T) {
	got := oneByOne(commands(`# delete veth0 with vif0.0, xenbr0
ip link set dev veth7 group 0 arp on
ip link set dev veth0 group 77
ip link set dev xenbr0 group 77
ip link del group 77
ip link set dev eth0 up
`))
	want := []string{"ip link set dev veth7 group 0 arp on", "ip link del dev veth0", "ip link del dev xenbr0", "ip link set dev eth0 up"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
