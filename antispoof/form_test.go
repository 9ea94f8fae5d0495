package antispoof

import (
	"net"
	"net/netip"
	"testing"

	"xbr-script/internal/sysctl"
	"xbr-script/internal/testing/formtest"
)

// TestForms holds the forms of the records.
func TestForms(t *testing.T) {
	rec := &record{
		Bridge: Bridge{
			Name: "xenbr0", NIC: "peth0", Port: "vif0.0", MAC: net.HardwareAddr{0, 0x16, 0x3e, 0, 0, 1},
			Addrs: []netip.Prefix{netip.MustParsePrefix("192.168.0.0/24"), netip.MustParsePrefix("2001:db8::/64")}, GuestsAllow: true,
		},
		Style: appended, Backend: "legacy", Flags: []sysctl.Set{{Name: "nf_call_iptables", Value: "0"}},
	}
	formtest.Records(t, "antispoof", recordForms, rec, nil)
	formtest.Records(t, "antispoof-host", hostForms, &hostRecord{NewTables: map[string][]string{"iptables": {"raw", "filter"}}}, nil, "new_tables")
}

// TestStrange has records that no version of the program has written.
func TestStrange(t *testing.T) {
	for want, f := range map[string]recordForm{
		"one of the names is missing in it": {Bridge: "xenbr0", Style: "insert", Backend: "nft"},
		`it has the style ""`:               {Bridge: "xenbr0", NIC: "peth0", Backend: "nft"},
		`it has the back end "ebtables"`:    {Bridge: "xenbr0", NIC: "peth0", Style: "append", Backend: "ebtables"},
		"address here: invalid MAC address": {Bridge: "xenbr0", NIC: "peth0", Style: "append", Backend: "nft", MAC: "here"},
	} {
		if rec, err := f.record(); rec != nil || err == nil || err.Error() != want {
			t.Errorf("%+v is read as %+v, %v", f, rec, err)
		}
	}
}

// TestOpForms holds the forms of the operations.
func TestOpForms(t *testing.T) {
	sets := []sysctl.Set{{Name: "nf_call_iptables", Value: "1", Index: 7}}
	formtest.Ops(t, Kinds(),
		&edit{
			Program:  "iptables",
			Chains:   []chainEdit{{Table: "filter", Name: "XBR-xenbr0", Gone: true, Rules: []string{"-j DROP"}}},
			Jumps:    []jump{{Table: "filter", Chain: "FORWARD", Rule: "-j XBR-xenbr0", Place: exactly, At: []int{2}, Own: []string{"peth0"}}},
			Policies: []policyEdit{{Table: "filter", Chain: "FORWARD", Target: "DROP"}},
			Shell:    []string{"iptables -P FORWARD DROP"},
		},
		&load{Program: "iptables", Sets: sets},
		&nfCall{Bridge: "xenbr0", Index: 10, Sets: sets},
		&sticky{Port: "vif0.0", MAC: "00:16:3e:00:00:01", On: true, Index: 9},
		&dropTables{Program: "iptables", Tables: []string{"raw"}},
	)
}
