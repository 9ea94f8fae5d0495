package rawjson

import (
	"encoding/json"
	"testing"
)

func TestString(t *testing.T) {
	all := ""
	for i := range 256 {
		all += string([]byte{byte(i)})
	}
	for in, want := range map[string]string{"eth0": `"eth0"`, "": `""`, "é": `"é"`, "\xff": "[255]", "a\x00\xc3": "[97,0,195]", all: "", "[1]": `"[1]"`, "\ufffd": "\"\ufffd\""} {
		data, err := json.Marshal(String(in))
		if err != nil || want != "" && string(data) != want {
			t.Errorf("%q: %s, %v", in, data, err)
		}
		var out String
		if err := json.Unmarshal(data, &out); err != nil || string(out) != in {
			t.Errorf("%q came back as %q, %v", in, out, err)
		}
	}
	for _, bad := range []string{"[256]", "[-1]", "[\"x\"]", "[1.5]", "{}", "1"} {
		if err := json.Unmarshal([]byte(bad), new(String)); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}
