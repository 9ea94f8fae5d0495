package config

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// FuzzParse reads a command line, one word a line, on a host where every file
// has the same content.
func FuzzParse(f *testing.F) {
	for _, tt := range errorCases {
		content := tt.files["f"] + tt.files[defaultFile]
		if line := strings.Join(tt.args, "\n"); len(line)+len(content) < 1000 {
			f.Add(line, []byte(content))
		}
	}
	f.Add("start\nvifnum=0\nbridge=xenbr0\nnetdev=eth0\nantispoof=yes", []byte("ip_forward=1"))
	f.Add("start\nbridge=a\n--next\nbridge=null\n--next\nvifnum=4095\nip_forward=0", []byte(nil))
	f.Add("recover", []byte(nil))
	f.Add("status\nconfig=f\nip_forward=0", []byte("vifnum=1 bridge=b # c\r\n\tip_forward=0\n"))
	f.Fuzz(func(t *testing.T, line string, content []byte) {
		checkParse(t, strings.Split(line, "\n"), content)
	})
}

// FuzzFile reads a default file.
func FuzzFile(f *testing.F) {
	for _, tt := range errorCases {
		if content := tt.files["f"]; content != "" && len(content) < 1000 {
			f.Add([]byte(content))
		}
	}
	f.Add([]byte("wait=0"))
	f.Add([]byte("vifnum=0 bridge=xenbr0 netdev=eth0 antispoof=yes\nvifnum=1 bridge=xenbr1 netdev=dummy0 antispoof=yes\nip_forward=0\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		checkParse(t, []string{"start"}, content)
	})
}

// checkParse checks what holds whatever the input.
func checkParse(t *testing.T, args []string, content []byte) {
	t.Helper()
	src := Source{DefaultFile: defaultFile, ReadFile: func(string) ([]byte, error) { return content, nil }}
	req, err := Parse(args, src)
	if err != nil {
		if req != nil {
			t.Error("both a request and an error")
		}
		checkError(t, err)
		src.Name = Original
		if lenient, err := Parse(args, src); err == nil {
			checkRequest(t, lenient)
		}
		return
	}
	checkRequest(t, req)
	src.Name = Original
	lenient, err := Parse(args, src)
	if err != nil {
		t.Fatalf("as %s: %v", Original, err)
	}
	if lenient.Original = false; !reflect.DeepEqual(lenient, req) {
		t.Errorf("as %s: %+v", Original, lenient)
	}
}

// checkRequest checks what holds for every request.
func checkRequest(t *testing.T, req *Request) {
	t.Helper()
	if req.Help || req.Version || !req.Command.takesKeys() {
		return
	}
	if !slices.Contains(commands, req.Command) {
		t.Errorf("command %q", req.Command)
	}
	if !req.Command.takesKeys() {
		if len(req.Bridges) > 0 || req.Given || req.File != "" {
			t.Errorf("%s with %s", req.Command, show(*req))
		}
		return
	}
	if len(req.Bridges) == 0 {
		t.Errorf("%d bridges", len(req.Bridges))
	}
	// A file may contain nothing but how the call behaves: wait=.
	if !req.Given && (len(req.Bridges) != 1 || req.Bridges[0] != Bridge{} || req.IPForward != IPForwardAsIs) {
		t.Errorf("nothing given, but %s", show(*req))
	}
	seen := map[string]bool{}
	for _, b := range req.Bridges {
		checkBridge(t, b, seen)
	}
	for _, b := range req.Bridges {
		own := b.Bridge == b.NetDev && b.Dom0 != Dom0Veth
		if !b.Null() && b.NetDev != "" && seen["bridge="+b.NetDev] && !own {
			t.Errorf("%q is both bridge and netdev", b.NetDev)
		}
	}
}

// checkBridge checks a bridge, and notes what no other bridge may have.
func checkBridge(t *testing.T, b Bridge, seen map[string]bool) {
	t.Helper()
	for _, name := range []string{b.Bridge, b.NetDev} {
		if name != "" && !kernelTakes(name) {
			t.Errorf("the kernel would not take %q", name)
		}
	}
	if b.VifNum != nil && (*b.VifNum < 0 || *b.VifNum > maxVifNum) {
		t.Errorf("vifnum %d", *b.VifNum)
	}
	if b.Null() {
		return
	}
	for key, v := range map[string]string{"bridge": b.Bridge, "netdev": b.NetDev, "vifnum": value(b.VifNum)} {
		if v == "" || v == "-" && key == "vifnum" {
			continue
		}
		if seen[key+"="+v] {
			t.Errorf("%s=%s twice", key, v)
		}
		seen[key+"="+v] = true
	}
}

// kernelTakes is the kernel's dev_valid_name, together with what else a name
// has to be, written independently.
func kernelTakes(name string) bool {
	if len(name) > 127 || name == "." || name == ".." || name[0] == '-' {
		return false
	}
	for _, c := range []byte(name) {
		if c == '/' || c == ':' || c == '%' || c <= ' ' || c == 0x7f || c == 0xa0 {
			return false
		}
	}
	if strings.ContainsAny(name, ";&|<>()$`\"\\'*?[]{}~#") {
		return false
	}
	return !strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) })
}
