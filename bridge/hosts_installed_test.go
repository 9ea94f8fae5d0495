package bridge_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"xbr-script/internal/host"
	"xbr-script/internal/testing/nstest"
)

// installedDir has hosts as their installers leave them: README.md there says how they are
// written down.
const installedDir = "../testdata/installed"

// installed is one of them.
type installed struct {
	name, nic, network string
	parts              []installedPart
}

type installedPart struct{ name, text string }

// installedMAC is what each NIC has.
const installedMAC = "52:54:00:12:00:01"

// programs are those of a host in a file, as internal/operate has them.
type programs struct {
	Version int               `json:"version"`
	Files   map[string]string `json:"files"`
	Links   map[string]string `json:"links,omitempty"`
	Owners  map[string]string `json:"owners,omitempty"`
	// Services and Titles are by numbers of processes, and by UUIDs.
	Services map[string]string `json:"services,omitempty"`
	Titles   map[string]string `json:"titles,omitempty"`
}

var partHead = regexp.MustCompile(`(?m)^-- (.+) --\n`)

// readInstalled reads one.
func readInstalled(t *testing.T, file string) installed {
	t.Helper()
	text := string(must(os.ReadFile(file)))
	in := installed{name: strings.TrimSuffix(filepath.Base(file), ".txt")}
	heads := partHead.FindAllStringSubmatchIndex(text, -1)
	for i, h := range heads {
		end := len(text)
		if i+1 < len(heads) {
			end = heads[i+1][0]
		}
		if name := text[h[2]:h[3]]; name == "network" {
			nic, rest, _ := strings.Cut(text[h[1]:end], "\n")
			rest = strings.ReplaceAll(rest, "$MAC", installedMAC)
			in.nic, in.network = nic, quick+cable(nic, "lan0", installedMAC)+rest+careful
		} else {
			in.parts = append(in.parts, installedPart{name, text[h[1]:end]})
		}
	}
	if len(heads) == 0 || heads[0][0] == 0 || in.network == "" {
		t.Fatalf("%s says neither where it is from nor what its network is", file)
	}
	return in
}

// programs are what the parts say.
func (in installed) programs(t *testing.T, h *host.Host) programs {
	t.Helper()
	p := programs{Version: 2, Files: map[string]string{"/proc/1/comm": "systemd\n"}, Links: map[string]string{}, Owners: map[string]string{}, Services: map[string]string{}, Titles: map[string]string{}}
	nic := h.Name(in.nic)
	fill := strings.NewReplacer("$INDEX", fmt.Sprint(nic.Index), "$MAC", nic.MAC.String(), "$NIC", nic.Name)
	for _, part := range in.parts {
		words, text := strings.Fields(fill.Replace(part.name)), fill.Replace(part.text)
		switch {
		case words[0] == "process" && len(words) == 5:
			p.process(words[1], words[2], words[3], words[4], strings.Split(strings.TrimSuffix(text, "\n"), "\n"))
		case words[0] == "units":
			for _, unit := range strings.Fields(text) {
				p.Links["/run/systemd/units/invocation:"+unit] = "0123456789abcdef0123456789abcdef"
			}
		case words[0] == "link" && len(words) == 2:
			p.Links[words[1]] = strings.TrimSpace(text)
		case words[0] == "service" && len(words) == 2:
			p.Services[words[1]] = strings.TrimSpace(text)
		case words[0] == "title" && len(words) == 2:
			p.Titles[words[1]] = strings.TrimSpace(text)
		case strings.HasPrefix(words[0], "/"):
			p.Files[words[0]] = text
			if len(words) == 3 {
				p.Owners[words[0]] = words[1] + " " + words[2]
			}
		case words[0] == "interface": // see dress
		default:
			t.Fatalf("%s: what is %q?", in.name, part.name)
		}
	}
	return p
}

// dress has interfaces be what no namespace could have, of modules or hardware that there
// is none of here: of another kind, with a master that is none elsewhere.
func (in installed) dress(h *host.Host) {
	for _, part := range in.parts {
		if words := strings.Fields(part.name); words[0] == "interface" {
			l := h.Name(words[1])
			l.Kind = strings.TrimPrefix(words[2], "-")
			if len(words) == 4 {
				l.Master = h.Name(words[3]).Index
			}
		}
	}
}

// process is one: its number, its name, its parent, its control group and its arguments.
func (p programs) process(pid, comm, parent, group string, args []string) {
	dir := "/proc/" + pid + "/"
	p.Files[dir+"comm"] = comm + "\n"
	p.Files[dir+"cmdline"] = strings.Join(args, "\x00") + "\x00"
	p.Files[dir+"stat"] = fmt.Sprintf("%s (%s) S %s 1 1 0 -1 4194624\n", pid, comm, parent)
	p.Files[dir+"cgroup"] = "0::" + group + "\n"
	p.Links[dir+"exe"] = args[0]
}

// TestInstalled has the hosts in testdata/hosts be those that are written down, as far as
// their programs are concerned; with -make-hosts it makes them anew.
func TestInstalled(t *testing.T) {
	files, err := filepath.Glob(installedDir + "/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal(len(files), err)
	}
	for _, file := range files {
		in := readInstalled(t, file)
		t.Run(in.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(hostsDir, in.name+".json")
			var f struct {
				hostFile
				Programs programs `json:"programs"`
			}
			if *makeHosts {
				nstest.New(t)
				nstest.Script(t, in.network)
				nstest.Rest(t)
				path := filepath.Join(t.TempDir(), "host.json")
				if text, err := callProgram(t, "start vifnum=0 lease=any --dry-run netdev="+in.nic+" --save-host="+path); err != nil {
					t.Log(text)
				}
				must(0, json.Unmarshal(must(os.ReadFile(path)), &f.hostFile))
				in.dress(f.Host)
			} else {
				must(0, json.Unmarshal(must(os.ReadFile(path)), &f))
			}
			was := must(json.Marshal(f.Programs))
			f.Programs = in.programs(t, f.Host)
			if now := must(json.Marshal(f.Programs)); string(now) != string(was) && !*makeHosts {
				t.Errorf("the programs in %s are not those of %s: make it anew by -make-hosts", path, file)
			}
			if *makeHosts {
				must(0, os.WriteFile(path, append(must(json.MarshalIndent(f, "", " ")), '\n'), 0o600))
			}
		})
	}
}
