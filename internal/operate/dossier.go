package operate

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"regexp"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"xbr-script/internal/config"
	"xbr-script/internal/host"
	"xbr-script/internal/plan"
	"xbr-script/internal/refusal"
)

// Dossier is the answer of the command report: all that somebody needs who is to find out
// what went wrong on this host.
type Dossier struct {
	Version int       `json:"version"`
	Program string    `json:"program"` // this one's version
	Made    time.Time `json:"made"`
	// Machine has the kernel's release, and what /etc/os-release and Xen say.
	Machine map[string]string `json:"machine"`
	Config  *string           `json:"config,omitempty"` // the configuration file; nil: there is none
	Status  *Report           `json:"status,omitempty"`
	Start   *Check            `json:"start,omitempty"` // what start would come to
	Unended []string          `json:"unended"`         // commands that would take back a change that has not ended
	// Host is what plans are made from, as by --save-host; nil if addresses are hidden.
	Host    json.RawMessage `json:"host,omitempty"`
	Unknown []string        `json:"unknown"` // what could not be found out
}

// report collects the dossier. It changes nothing.
func (c *Call) report(ctx context.Context) (*Result, error) {
	if os.Geteuid() != 0 {
		return nil, refusal.New("run it with sudo", "cannot see everything that a report needs: only root may")
	}
	d := &Dossier{Version: OutcomeVersion, Program: c.Version, Made: time.Now().Round(time.Second), Machine: machine(), Unended: []string{}, Unknown: []string{}}
	miss := func(what string, err error) {
		if err != nil {
			d.Unknown = append(d.Unknown, what+": "+err.Error())
		}
	}
	if text, err := os.ReadFile(c.ConfigFile); err == nil {
		s := string(text)
		d.Config = &s
	}
	part := func(command config.Command, only bool) *Call {
		req := *c.Request
		req.Command, req.OnlyCheck = command, only
		return &Call{Request: &req, Args: c.Args, Note: c.Note, conn: c.conn}
	}
	v, err := part(config.Status, false).snapshot(ctx)
	if err == nil {
		d.Status, err = v.report(ctx)
	}
	miss("status", err)
	r, err := part(config.Start, true).check(ctx)
	if err == nil {
		d.Start = r.Check
	}
	miss("check", err)
	u, err := c.runner().Unfinished()
	miss("the change that has not ended", err)
	if u != nil {
		d.Unended = u.Commands()
	}
	if !c.Request.Hide {
		d.Host, err = part(config.Start, false).whole(ctx)
		miss("host", err)
	}
	return &Result{Dossier: d}, nil
}

// whole is the host as --save-host writes it, without the secrets.
func (c *Call) whole(ctx context.Context) (json.RawMessage, error) {
	h, err := host.Read(c.conn)
	if err != nil {
		return nil, err
	}
	records, err := plan.ReadRecords(runDir)
	if err != nil {
		return nil, err
	}
	s := &seen{host: h, records: records}
	if err := c.complete(ctx, s); err != nil {
		return nil, err
	}
	data, err := s.form()
	return secret.ReplaceAll(data, []byte(`${1}"hidden"`)), err
}

// secret is a setting that nobody else should know: addresses are made of it.
var secret = regexp.MustCompile(`("[^"]*stable_secret"\s*:\s*)"[^"]*"`)

// machine says what the host runs on.
func machine() map[string]string {
	m := map[string]string{"arch": runtime.GOARCH}
	var name unix.Utsname
	if unix.Uname(&name) == nil {
		m["kernel"] = unix.ByteSliceToString(name.Release[:]) + " " + unix.ByteSliceToString(name.Version[:])
	}
	release, _ := os.ReadFile("/etc/os-release")
	for line := range strings.Lines(string(release)) {
		if text, found := strings.CutPrefix(line, "PRETTY_NAME="); found {
			m["system"] = strings.Trim(strings.TrimSpace(text), `"`)
		}
	}
	read := func(path string) string {
		text, _ := os.ReadFile("/sys/hypervisor/" + path)
		return strings.TrimSpace(string(text))
	}
	if read("type") == "xen" {
		m["xen"] = read("version/major") + "." + read("version/minor") + read("version/extra")
	}
	return m
}

// hideAddresses replaces IP and MAC addresses in a text by names such as "IPv4-1", the
// same address by the same name. Those that say nothing about the host stay.
func hideAddresses(text []byte) []byte {
	names, count := map[string]string{}, map[string]int{}
	return addressLike.ReplaceAllFunc(text, func(word []byte) []byte {
		kind := addressKind(string(word))
		if kind == "" {
			return word
		}
		key := strings.ToLower(string(word))
		if names[key] == "" {
			count[kind]++
			names[key] = fmt.Sprintf("%s-%d", kind, count[kind])
		}
		return []byte(names[key])
	})
}

// addressLike finds what may be an address, without the end of a sentence.
var addressLike = regexp.MustCompile(`[0-9A-Fa-f:.]*[0-9A-Fa-f:]`)

// addressKind says what kind of an address a word is that has to be hidden; "" if none.
func addressKind(word string) string {
	if mac, err := net.ParseMAC(word); err == nil && len(mac) == 6 && strings.Contains(word, ":") { // a commit is no address
		if word == "fe:ff:ff:ff:ff:ff" {
			return ""
		}
		return "MAC"
	}
	addr, err := netip.ParseAddr(word)
	switch {
	case err != nil || addr.IsUnspecified() || addr.IsLoopback() || addr.IsMulticast() || addr == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return ""
	case addr.Is4():
		return "IPv4"
	}
	return "IPv6"
}

// JSON is the dossier as text, with its addresses hidden if that is asked for.
func (d *Dossier) JSON(hide bool) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(d)
	if hide {
		return hideAddresses(b.Bytes()), err
	}
	return b.Bytes(), err
}
