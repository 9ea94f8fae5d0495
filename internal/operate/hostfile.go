package operate

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"xbr-script/antispoof"
	"xbr-script/antispoof/strict"
	"xbr-script/bridge"
	"xbr-script/forward"
	"xbr-script/internal/guestname"
	"xbr-script/internal/host"
	"xbr-script/internal/plan"
	"xbr-script/internal/rawjson"
	"xbr-script/internal/refusal"
	"xbr-script/internal/xenstore"
)

// seen is everything that a plan is made from, besides what was asked for.
type seen struct {
	host      *host.Host
	records   plan.Records
	antispoof *antispoof.Seen // nil: it is still to be read
	strict    *strict.Seen    // nil: it is still to be read
	xen       *xenstore.Seen  // nil: it was not read
	programs  *hostPrograms   // in a file; nil: they are not known
	guests    []guestname.Guest
}

// see reads the host, or the file that stands for one.
func (c *Call) see(ctx context.Context, read func() (*host.Host, error)) (*seen, error) {
	if c.Request.Host != "" {
		s, err := readHostFile(c.Request.Host)
		if err == nil {
			err = c.lay(s.programs)
		}
		return s, err
	}
	h, err := read()
	if err != nil {
		return nil, fmt.Errorf("cannot read the network: %w", err)
	}
	records, err := plan.ReadRecords(runDir)
	s := &seen{host: h, records: records}
	if err != nil || c.Request.SaveHost == "" {
		return s, err
	}
	if err := c.complete(ctx, s); err != nil {
		return nil, err
	}
	err = s.write(c.Request.SaveHost)
	return s, err
}

// complete reads everything else that any plan may be made from.
func (c *Call) complete(ctx context.Context, s *seen) (err error) {
	if err := s.host.Ask(slices.Concat(bridge.Settings(), antispoof.Settings(), forward.Settings())...); err != nil {
		return err
	}
	if all := (antispoof.Reader{Records: s.records, Host: s.host}).All(ctx); all.Err == nil {
		s.antispoof = all
	} else {
		c.Note(fmt.Sprintf("%s does not tell of rules: %v", cmp.Or(c.Request.SaveHost, "the report"), all.Err))
	}
	if s.strict, err = c.seeStrict(s.records); err != nil {
		return err
	}
	if s.strict != nil {
		s.xen = xenstore.Look()
	}
	if s.guests, err = (guestname.Reader{Conn: c.conn, Xen: s.xen}).Look(s.host); err != nil {
		c.Note(unnamed(err))
	}
	s.programs, err = c.gather(ctx)
	return err
}

// hostFileVersion is the form of such a file.
const hostFileVersion = 1

// maxHostFile is more than a host with a million routes needs, in bytes.
const maxHostFile = 1 << 30

// hostFile is what a plan is made from, in a file.
type hostFile struct {
	Version   int                   `json:"version"`
	Host      *host.Host            `json:"host"`
	Records   map[string]recordText `json:"records"`
	AntiSpoof *antispoof.Seen       `json:"antispoof,omitempty"`
	Strict    *strict.Seen          `json:"strict,omitempty"`
	Xen       *xenstore.Seen        `json:"xenstore,omitempty"`
	Guests    []guestname.Guest     `json:"guests,omitempty"` // whose the ports are; no plan depends on it
	Programs  *hostPrograms         `json:"programs,omitempty"`
}

// recordText is a record's content: as JSON if it is JSON, else as a string.
type recordText []byte

// MarshalJSON implements json.Marshaler.
func (r recordText) MarshalJSON() ([]byte, error) {
	if text := bytes.TrimSpace(r); json.Valid(text) && (text[0] == '{' || text[0] == '[') {
		return text, nil
	}
	return json.Marshal(rawjson.String(r))
}

// UnmarshalJSON implements json.Unmarshaler.
func (r *recordText) UnmarshalJSON(data []byte) error {
	var text rawjson.String
	if json.Unmarshal(data, &text) == nil && data[0] == '"' {
		*r = recordText(text)
		return nil
	}
	var b bytes.Buffer // laid out as in its file
	err := json.Indent(&b, data, "", "  ")
	*r = append(b.Bytes(), '\n')
	return err
}

// write writes it for others to plan from. It contains secrets of the kernel
// (stable_secret), so not everybody may read it.
func (s *seen) write(name string) error {
	data, err := s.form()
	if err == nil {
		err = os.WriteFile(name, data, 0o600)
	}
	if err != nil {
		return fmt.Errorf("cannot write the host to %s: %w", name, err)
	}
	return nil
}

// form is the content of such a file.
func (s *seen) form() ([]byte, error) {
	f := hostFile{Version: hostFileVersion, Host: s.host, Records: map[string]recordText{}, AntiSpoof: s.antispoof, Strict: s.strict, Xen: s.xen, Guests: s.guests, Programs: s.programs}
	for name, file := range s.records.Files {
		if file.Err != nil {
			return nil, file.Err
		}
		f.Records[name] = file.Data
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	err := e.Encode(f)
	return b.Bytes(), err
}

// readHostFile reads what write has written.
func readHostFile(name string) (*seen, error) {
	s, err := parseHostFile(name)
	if err != nil {
		return nil, refusal.Wrap(err, "xbr-script start --dry-run --save-host=FILE writes one", "cannot read a host from %s", name)
	}
	return s, nil
}

func parseHostFile(name string) (*seen, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, errors.Unwrap(err) // which file, the user is told anyway
	}
	defer func() { _ = file.Close() }()
	data, err := io.ReadAll(io.LimitReader(file, maxHostFile))
	if err != nil {
		return nil, err
	}
	var head struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, err
	}
	if head.Version != hostFileVersion {
		return nil, fmt.Errorf("it has the form %d, and this version knows %d", head.Version, hostFileVersion)
	}
	var f hostFile
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return nil, err
	}
	if f.Host == nil {
		return nil, errors.New("there is no host in it")
	}
	s := &seen{host: f.Host, antispoof: f.AntiSpoof, strict: f.Strict, xen: f.Xen, programs: f.Programs, guests: f.Guests, records: plan.Records{Dir: runDir, Files: map[string]plan.RecordFile{}}}
	if s.antispoof == nil {
		s.antispoof = &antispoof.Seen{} // of which nothing is known
	}
	for name, text := range f.Records {
		s.records.Files[name] = plan.RecordFile{Data: text}
	}
	return s, nil
}
