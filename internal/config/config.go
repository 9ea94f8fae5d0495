package config

import (
	"fmt"
	"net/netip"
	"time"
)

// Command is what to do.
type Command string

// The commands.
const (
	Start  Command = "start"
	Stop   Command = "stop"
	Status Command = "status"
	// Recover takes back a change that was cut short, or that waits to be
	// confirmed. Confirm lets the latter stay.
	Recover Command = "recover"
	Confirm Command = "confirm"
	// Check is the word that makes of start, which it stands for alone, or of stop a
	// question: see Request.OnlyCheck.
	Check Command = "check"
	// Report collects what a bug report needs.
	Report Command = "report"
	// Admit and Dismiss are about a guest on a bridge with antispoof=strict.
	Admit   Command = "admit"
	Dismiss Command = "dismiss"
)

// takesKeys says whether the command is about bridges.
func (c Command) takesKeys() bool { return c != Recover && c != Confirm && !c.AboutGuest() }

// AboutGuest says whether the command is about one guest.
func (c Command) AboutGuest() bool { return c == Admit || c == Dismiss }

// AntiSpoof is what becomes of a bridge's rules against forged addresses.
type AntiSpoof string

// The values of antispoof=.
const (
	AntiSpoofAsIs AntiSpoof = "" // not given: rules that are there stay, and are mended
	AntiSpoofNo   AntiSpoof = "no"
	AntiSpoofYes  AntiSpoof = "yes"
	// AntiSpoofStrict has rules of another kind, which know each guest.
	AntiSpoofStrict AntiSpoof = "strict"
)

// On says whether rules were asked for, whatever they are.
func (a AntiSpoof) On() bool { return a != AntiSpoofAsIs && a != AntiSpoofNo }

// Dom0 is what dom0's interface is.
type Dom0 string

// The values of dom0=.
const (
	Dom0AsIs   Dom0 = ""       // not given
	Dom0Veth   Dom0 = "veth"   // an interface of its own, with a port in the bridge
	Dom0Bridge Dom0 = "bridge" // the bridge itself, which has dom0's addresses
)

// IPForward is what becomes of the host's IPv4 forwarding.
type IPForward string

// The values of ip_forward=, which are the kernel's.
const (
	IPForwardAsIs IPForward = "" // not given
	IPForwardOff  IPForward = "0"
	IPForwardOn   IPForward = "1"
)

// Drawing is in which form status draws the network.
type Drawing string

// The forms of --draw.
const (
	NoDrawing Drawing = ""
	DrawText  Drawing = "text" // --draw alone: for a terminal
	DrawSVG   Drawing = "svg"
	DrawDot   Drawing = "dot" // for Graphviz
)

// Bridge is one bridge as asked for; a nil or empty field was not given.
type Bridge struct {
	VifNum    *int      // vifnum=
	Bridge    string    // bridge=
	NetDev    string    // netdev=
	AntiSpoof AntiSpoof // antispoof=
	// GuestsAllow is guests=allow: with antispoof=yes, guests for which the
	// toolstack makes no rules are not cut off.
	GuestsAllow bool
	Dom0        Dom0 // dom0=
}

// Lease is the value of lease=: whether an address that expires is moved if it is not known
// who renews it.
type Lease int

// The values of lease=.
const (
	LeaseUnsaid Lease = iota // not given: as LeaseKnown, unless the start has said any
	LeaseKnown               // it is not
	LeaseAny                 // it is
)

// nullBridge is the value of bridge= that asks for nothing.
const nullBridge = "null"

// Null says whether the bridge is to be left out: bridge=null.
func (b Bridge) Null() bool { return b.Bridge == nullBridge }

// Request is a whole command line with its file read.
type Request struct {
	Command   Command
	Original  bool      // called by the name of Xen's script, see Source
	OnlyCheck bool      // the command check: what would become of Command, which is Start or Stop
	Bridges   []Bridge  // at least one, unless Help, Version, Recover or Confirm
	Given     bool      // false: no key and no file said anything about bridges or the host; Bridges is then a single zero Bridge
	File      string    // the file that the bridges were read from, "" if none
	IPForward IPForward // ip_forward=, host-wide
	Guests    []Guest   // those of the file; or the one that Admit or Dismiss is about

	Wait    *time.Duration // wait=: for the link and the hosts on it after a change; nil: not given
	NoCheck bool           // check=no: do not ask whether hosts can be reached
	Check   netip.Addr     // check=ADDRESS: a host that must stay within reach; not valid: none
	Lease   Lease          // lease=
	Confirm time.Duration  // confirm=: a change is taken back if not confirmed by then; 0: it need not be

	DryRun, Verbose, JSON, Help, Version bool
	Hide                                 bool    // --hide, of report
	Draw                                 Drawing // --draw, of status
	Host                                 string  // --host=: the file that stands for the host; "": it is the real one
	SaveHost                             string  // --save-host=: the file that is to stand for the host; "": none

	Empty []EmptyKey // keys that were given without a value
	Notes []string   // what else the user should know about how the words were taken
}

// EmptyKey is a key without a value, which counts as not given.
type EmptyKey struct {
	Bridge int // the index of the bridge in Request.Bridges, -1 if these come from a file
	Key    string
}

// named is the command as it was given.
func (r *Request) named() Command {
	if r.OnlyCheck {
		return Check
	}
	return r.Command
}

// note adds to Notes.
func (r *Request) note(format string, args ...any) {
	r.Notes = append(r.Notes, fmt.Sprintf(format, args...))
}

// Original is the name of Xen's script. Called by that name, the program takes
// words and variables of the environment as the script does.
const Original = "network-bridge"

// Source is where Parse finds what is not on the command line.
type Source struct {
	Name        string                            // the program's name, without folders
	Getenv      func(key string) string           // like os.Getenv; nil for an empty environment
	ReadFile    func(name string) ([]byte, error) // like os.ReadFile
	DefaultFile string                            // read if no key is given; "" for none
}

// Parse reads the arguments (without the program's name) and the file that
// they name, or the default file if they have no key. Its error joins all that is
// wrong with them, each of type *refusal.Error.
func Parse(args []string, src Source) (*Request, error) {
	args = split(args)
	if req := answerAlone(args); req != nil {
		return req, nil
	}
	r := &argReader{req: &Request{Original: src.Name == Original}, original: src.Name == Original, groups: []*group{newGroup("")}}
	r.readArgs(args)
	r.checkOptions()
	switch {
	case r.req.Command.takesKeys():
		r.withoutGuests()
		r.addEnvironment(src)
		r.addFile(src)
		r.ignoreEnvironment(src)
		r.agree()
		r.checkBridges()
	case r.req.Command.AboutGuest():
		r.oneGuest()
	default:
		r.alone()
	}
	if err := r.wrong.err(); err != nil {
		return nil, err
	}
	switch {
	case r.req.Command.takesKeys():
		combine(r.req, r.groups)
	case r.req.Command.AboutGuest():
		r.req.Guests = guestsIn(r.groups)
	}
	return r.req, nil
}
