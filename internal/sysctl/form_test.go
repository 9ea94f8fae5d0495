package sysctl_test

import (
	"testing"

	"xbr-script/internal/sysctl"
	"xbr-script/internal/testing/formtest"
)

// TestOpForms holds the form of the operation.
func TestOpForms(t *testing.T) {
	formtest.Ops(t, sysctl.Kinds(), &sysctl.Write{Sets: []sysctl.Set{
		{Name: "net/ipv6/conf/eth0/mtu", Value: "1400", Index: 7}, {Name: "net/ipv4/ip_forward", Value: "0"},
	}})
}
