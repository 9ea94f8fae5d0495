package host

import (
	"encoding/json"
	"net"
	"reflect"
	"testing"
)

// TestLinkJSON keeps a link as a record does.
func TestLinkJSON(t *testing.T) {
	for _, l := range []Link{
		{},
		{Index: 7, Name: "eth0", AltNames: []string{"enp3s0"}, MAC: net.HardwareAddr{2, 0, 0, 0, 0, 1}, MTU: 1500, Alias: "uplink", Bridge: BridgeInfo{STP: true}},
		{Index: 8, Name: "\xff", AltNames: []string{"a\xc3", "\x1b[m"}, Alias: "\xe9t\xe9\n"},
	} {
		data, err := json.Marshal(&l)
		var back *Link
		if err == nil {
			err = json.Unmarshal(data, &back)
		}
		if err != nil || !reflect.DeepEqual(*back, l) {
			t.Errorf("%+v\nas %s\ncame back as %+v (%v)", l, data, back, err)
		}
	}
}
