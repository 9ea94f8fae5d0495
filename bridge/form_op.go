package bridge

import (
	"errors"
	"time"

	"xbr-script/internal/host"
	"xbr-script/internal/ipcmd"
	"xbr-script/internal/plan"
	"xbr-script/internal/rtnl"
	"xbr-script/internal/sysctl"
)

// Most operations are their own form in the journal, by json tags that never
// change. These have something in them that plans are made from.

// stateForm is what a gather knows of an interface.
type stateForm struct {
	Index  int       `json:"Index"`
	Addrs4 []msgForm `json:"Addrs4"`
	Addrs6 []msgForm `json:"Addrs6"`
	Neighs []msgForm `json:"Neighs"`
	// Nexthops and Routes have always been written as none.
	Nexthops []msgForm `json:"Nexthops"`
	Routes   []msgForm `json:"Routes"`
}

// msgForm is a message by itself.
type msgForm struct {
	Type  uint16 `json:"Type"`
	Flags uint16 `json:"Flags"`
	Body  []byte `json:"Body"`
}

func formOfState(s host.State) stateForm {
	return stateForm{Index: s.Index, Addrs4: formOfMsgs(s.Addrs4), Addrs6: formOfMsgs(s.Addrs6), Neighs: formOfMsgs(s.Neighs)}
}

func formOfMsgs(msgs []rtnl.Msg) (list []msgForm) {
	for _, m := range msgs {
		list = append(list, msgForm(m))
	}
	return list
}

// mendForm is the head of a mend.
type mendForm struct {
	Links []asItWasForm `json:"Links"`
	Names ipcmd.Names   `json:"Names"`
	At    time.Duration `json:"At"`
}

// asItWasForm belongs to it.
type asItWasForm struct {
	Link     *linkForm1   `json:"Link"`
	Settings []sysctl.Set `json:"Settings,omitempty"`
	Pins     [][]byte     `json:"Pins,omitempty"`
}

func formOfMend(m *mend) *mendForm {
	f := &mendForm{Names: m.Names, At: m.At}
	for _, k := range m.Links {
		f.Links = append(f.Links, asItWasForm{formOfLink1(k.Link), k.Settings, k.Pins})
	}
	return f
}

// UnmarshalJSON implements json.Unmarshaler.
func (m *mend) UnmarshalJSON(data []byte) error {
	var f mendForm
	if err := plan.Strict(data, &f); err != nil {
		return err
	}
	m.Names, m.At = f.Names, f.At
	for _, k := range f.Links {
		l, err := k.Link.link()
		if err != nil {
			return err
		}
		if l == nil {
			return errors.New("an interface is missing")
		}
		m.Links = append(m.Links, asItWas{l, k.Settings, k.Pins})
	}
	return nil
}
