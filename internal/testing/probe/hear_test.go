package main

import (
	"encoding/hex"
	"testing"
)

func TestDescribe(t *testing.T) {
	const (
		ends = "ffffffffffff" + "00163e74d4bf"
		arp  = ends + "0806" + "0001080006040001" + "00163e74d4bf" + "c0a8001e" + "000000000000" + "c0a80001"
		ipv4 = ends + "0800" + "4500001c00000000401100" + "00" + "c0a8001e" + "c0a80001"
	)
	for _, tt := range []struct{ frame, want string }{
		{arp, "00:16:3e:74:d4:bf ff:ff:ff:ff:ff:ff ARP 1 192.168.0.30 is 00:16:3e:74:d4:bf, to 192.168.0.1"},
		{arp[:len(arp)-2], "00:16:3e:74:d4:bf ff:ff:ff:ff:ff:ff 0806"},
		{ipv4, "00:16:3e:74:d4:bf ff:ff:ff:ff:ff:ff IPv4 192.168.0.30 to 192.168.0.1 proto 17"},
		{ends + "86dd60", "00:16:3e:74:d4:bf ff:ff:ff:ff:ff:ff 86dd"},
		{ends + "08", "short ffffffffffff00163e74d4bf08"},
	} {
		frame, err := hex.DecodeString(tt.frame)
		if err != nil {
			t.Fatal(err)
		}
		if got := describe(frame); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}
