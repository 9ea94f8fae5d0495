package operate

import (
	"context"
	"fmt"
	"os"

	"xbr-script/internal/carry"
	"xbr-script/internal/config"
	"xbr-script/internal/holders"
	"xbr-script/internal/host"
	"xbr-script/internal/manager"
	"xbr-script/internal/manager/bound"
	"xbr-script/internal/plan"
	"xbr-script/internal/refusal"
	"xbr-script/internal/systemd"
)

// Check is the answer of the command check.
type Check struct {
	Version     int       `json:"version"`
	Command     string    `json:"command"`      // start or stop
	GoesThrough bool      `json:"goes_through"` // it would not be refused
	Refused     []Refusal `json:"refused"`      // why not
	// Networks are those that it would change.
	Networks []Network        `json:"networks"`
	Holders  []holders.Holder `json:"holders"`
	// Unknown is what could not be read.
	Unknown []string `json:"unknown,omitempty"`
}

// Network is a bridge and its NIC.
type Network struct {
	Bridge string `json:"bridge"`
	NetDev string `json:"netdev"`
	// Managers configure the interface that has dom0's addresses before; see Entry.
	Managers []manager.Keeper `json:"managers,omitzero"`
}

// Refusal is a reason for which a call would be refused, and the way out.
type Refusal struct {
	Reason string `json:"reason"`
	Hint   string `json:"hint,omitempty"`
}

// Breaks says whether something breaks.
func (c *Check) Breaks() bool { return len(holders.Breaking(c.Holders)) > 0 }

// check says whether start or stop would go through, and what becomes of everything
// that holds on to the NICs. It changes nothing, and so it waits for nobody.
func (c *Call) check(ctx context.Context) (*Result, error) {
	if os.Geteuid() != 0 {
		return nil, refusal.New("run it with sudo", "cannot see what holds on to the NIC: only root is told")
	}
	answer := &Check{Version: OutcomeVersion, Command: string(c.Request.Command), Refused: []Refusal{}, Networks: []Network{}, Holders: []holders.Holder{}}
	v, err := c.wouldPlan(ctx)
	answer.Refused = refusals(answer.Refused, err)
	answer.GoesThrough = err == nil
	if v != nil {
		for _, w := range v.moving() {
			keepers, err := v.keepers(ctx, v.move(w))
			answer.Networks = append(answer.Networks, Network{w.Bridge, w.NetDev, keepers})
			answer.unknown(err)
		}
		found, unknown := v.holders()
		answer.Holders = append(answer.Holders, found...)
		for _, err := range unknown {
			answer.unknown(err)
		}
	}
	return &Result{Check: answer}, nil
}

// wouldPlan makes the plan, as start and stop do, and gives the reasons against it.
func (c *Call) wouldPlan(ctx context.Context) (*view, error) {
	u, err := c.unfinished()
	if err != nil {
		return nil, err
	}
	if u != nil {
		if _, waits := u.Waits(); waits {
			return nil, c.refuseWaiting(u)
		}
		return nil, refusal.New("xbr-script recover takes it back, and so does the next start or stop",
			"cannot tell what %s would do: %q did not end", c.Request.Command, u.Command)
	}
	v, err := c.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	p, _, err := v.plan()
	if err == nil {
		err = c.able(ctx, p)
	}
	return v, err
}

// able says why a plan for this host would be refused when it is to be carried out,
// because somebody who is needed for it cannot do it. Only root can ask all of them.
func (c *Call) able(ctx context.Context, p *plan.Plan) error {
	if c.Request.Host != "" || os.Geteuid() != 0 {
		return nil
	}
	return c.runner().Ready(ctx, p)
}

// unknown adds what could not be read.
func (c *Check) unknown(err error) {
	if err != nil {
		c.Unknown = append(c.Unknown, err.Error())
	}
}

// holdable are the moves of what may be held from outside.
func (v *view) holdable() (moves []holders.Move) {
	for _, w := range v.moving() {
		if m := v.move(w); m.From != nil {
			mac, _ := v.network.Dom0(w)
			moves = append(moves, holders.Move{
				Bridge: w.Bridge, Port: w.PDev, MAC: mac.String(),
				Start: v.Request.Command == config.Start, OnBridge: m.OnBridge, Guarded: w.AntiSpoof == config.AntiSpoofYes,
				From: holders.Interface{Name: m.From.Name, Index: m.From.Index}, To: holders.Interface(m.To),
			})
		}
	}
	return moves
}

// holders finds what holds on to the interfaces that are moving, and says what could
// not be read.
func (v *view) holders() (found []holders.Holder, unknown []error) {
	d, moves := v.held()
	if len(moves) == 0 {
		return nil, nil
	}
	found = holders.Find(d, moves)
	if err := v.host.Err(); err != nil {
		return found, append(d.Unknown, err)
	}
	return found, d.Unknown
}

// held reads, once, what holds on to the interfaces that are moving. The networks have
// been planned by then.
func (v *view) held() (*holders.Data, []holders.Move) {
	if v.holding != nil {
		return v.holding, v.holdingMoves
	}
	v.holding, v.holdingMoves = &holders.Data{Host: v.host}, v.holdable()
	if len(v.holdingMoves) > 0 {
		v.holding = holders.Read(v.conn, v.host, v.holdingMoves)
		v.readUnits(v.holding)
		v.readLetGo(v.holding)
		v.leave()
	}
	return v.holding, v.holdingMoves
}

// leave leaves out what dom0's interfaces have had before start.
func (v *view) leave() {
	for _, m := range v.holdingMoves {
		if m.Start {
			continue
		}
		own, err := carry.LoadOwn(plan.Records(v.store), m.Bridge)
		if err != nil {
			v.holding.Unknown = append(v.holding.Unknown, err)
		}
		v.holding.Leave(m, own)
	}
}

// readLetGo asks NetworkManager, where it may matter to endpoints of MPTCP, which of the
// interfaces it configures.
func (v *view) readLetGo(d *holders.Data) {
	d.LetGo = map[int]bool{}
	for _, w := range v.moving() {
		m := v.move(w)
		if m.From == nil || len(d.Subflows) == 0 || len(d.EndpointsOn(m.From.Index)) == 0 {
			continue
		}
		// Whoever plans has said so if it cannot be known.
		if configures, err := v.networkManager().Configures(m.From.Index); err == nil && configures {
			d.LetGo[m.From.Index] = true
		}
	}
}

// readUnits reads the units of systemd that end with the names which the moves take away, and
// those that are filtered by the interfaces. Those of another network namespace are none of
// systemd's.
func (v *view) readUnits(d *holders.Data) {
	if machine, err := host.OfMachine(); err != nil || !machine {
		return // whoever plans has said so
	}
	var moves []manager.Move
	for _, w := range v.moving() {
		moves = append(moves, v.move(w))
	}
	for _, m := range moves {
		found, err := bound.Manager{Root: v.root, Listing: v.bound}.Find(m)
		if err != nil {
			d.Unknown = append(d.Unknown, err)
		}
		for _, u := range found {
			d.Units = append(d.Units, holders.Unit(u))
		}
	}
	if v.root != "" {
		return
	}
	found, err := systemd.Restrictions(context.Background())
	if err != nil {
		d.Unknown = append(d.Unknown, fmt.Errorf("cannot ask systemd which units may use some interfaces only: %w", err))
	}
	for _, u := range found {
		d.Restricted = append(d.Restricted, holders.Restricted(u))
	}
}
