package antispoof

import (
	"errors"
	"fmt"
	"strings"

	sys "xbr-script/internal/program"
	"xbr-script/internal/rawjson"
)

// Seen is which rules a host has, and which programs can change them. A plan,
// or a status, is made from it, the snapshot and the records, and from nothing
// else. A Reader reads it.
type Seen struct {
	// Err is why it could not be read.
	Err error `json:"-"`
	// Missing is a program without which there can be no rules; then the rest is
	// unknown.
	Missing  string       `json:"missing,omitempty"`
	Backend  string       `json:"backend,omitempty"`  // of iptables as it is installed now: nft or legacy
	Families []SeenFamily `json:"families,omitempty"` // IPv4, then IPv6 if the kernel has it
	Scripts  SeenScripts  `json:"xen_scripts,omitzero"`
	// Ground is nil if no bridge is, or is to be, guarded.
	Ground *SeenGround `json:"ground,omitempty"`
}

// SeenFamily is what one of iptables and ip6tables says.
type SeenFamily struct {
	Program string           `json:"program"` // iptables or, to be exact, iptables-legacy
	Backend string           `json:"backend"`
	Saved   []rawjson.String `json:"saved"` // the lines of iptables-save
}

// SeenScripts is what Xen's vif-bridge does about guests' rules.
type SeenScripts struct {
	Path     string `json:"path"`     // the file with its function handle_iptable; "" if there is none
	Disabled bool   `json:"disabled"` // it returns at once: Debian's, bug #894013
	Appends  bool   `json:"appends"`  // iptables -A
}

// SeenGround is what else matters for the effect of rules.
type SeenGround struct {
	// Lacks is what the kernel lacks for the rules, as a sentence.
	Lacks string `json:"kernel_lacks,omitempty"`
	// Others are programs of the other back end that have rules as well, by family;
	// "" for none.
	Others []string `json:"other_back_end,omitempty"`
	// Forwarding are the tables of nftables that judge forwarded packets.
	Forwarding []string `json:"nftables_forwarding,omitempty"`
}

// known is nil if it is known which rules there are.
func (s *Seen) known() error {
	switch {
	case s == nil:
		return errors.New("the rules were not read")
	case s.Missing != "":
		return fmt.Errorf("%s %w", s.Missing, sys.ErrMissing)
	}
	return s.Err
}

// allKnown is nil if it is also known what the rules need.
func (s *Seen) allKnown() error {
	if err := s.known(); err != nil || s.Ground != nil {
		return err
	}
	return errors.New("what the rules need was not read")
}

// rulesets are the rules as a plan changes them.
func (s *Seen) rulesets() (list []*ruleset, err error) {
	for _, f := range s.Families {
		var text strings.Builder
		for _, line := range f.Saved {
			text.WriteString(string(line) + "\n")
		}
		st, err := parse(text.String())
		if err != nil {
			return nil, fmt.Errorf("%s-save: %w", f.Program, err)
		}
		st.program = &program{name: f.Program, nft: f.Backend == "nft", family: familyOf(f.Program)}
		list = append(list, st)
	}
	if len(list) == 0 {
		return nil, errors.New("the rules were not read")
	}
	return list, nil
}
