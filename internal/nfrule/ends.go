package nfrule

import (
	"golang.org/x/sys/unix"

	"xbr-script/internal/rtnl"
)

// Verdicts of rules, besides those that unix names (linux/netfilter.h).
const (
	drop   = 0
	accept = 1
)

// step is what a rule of a chain says of packets: whether they go on, or where.
type step struct {
	verdict int32  // drop, accept, unix.NFT_RETURN, NFT_JUMP or NFT_GOTO
	chain   string // that it jumps or goes to
	always  bool   // for every packet
}

// maxJumps is how deep chains can be within one another (NFT_JUMP_STACK_SIZE).
const maxJumps = 16

// stepOf is what a rule says; not ok if it can be left out: it has no verdict, or one for some
// packets that are not sent to another chain.
func stepOf(exprs []byte) (s step, ok bool) {
	s.always = true
	for a := range rtnl.ParseAttrs(exprs) {
		e := exprOf(0, a.Value)
		switch e.name {
		case "counter", "log", "last":
		case "reject":
			s.verdict, ok = drop, true
		case "queue":
			s.verdict, ok = accept, true // a program decides
		case "immediate":
			verdict := rtnl.FindAttr(rtnl.FindAttr(e.data, nftaImmediateData), unix.NFTA_DATA_VERDICT)
			if verdict == nil {
				continue // a number
			}
			s.verdict, s.chain, ok = int32(be32(verdict, unix.NFTA_VERDICT_CODE)), rtnl.String(rtnl.FindAttr(verdict, unix.NFTA_VERDICT_CHAIN)), true
		case "match":
			s.always = s.always && rtnl.String(rtnl.FindAttr(e.data, unix.NFTA_MATCH_NAME)) == "comment"
		case "target":
			if name := rtnl.String(rtnl.FindAttr(e.data, unix.NFTA_TARGET_NAME)); name == "REJECT" || name == "DROP" {
				s.verdict, ok = drop, true
			} else if name == "NFQUEUE" {
				s.verdict, ok = accept, true
			}
		default:
			s.always = false
		}
	}
	return s, ok && (s.always || s.chain != "")
}

// Drops says whether a chain drops, or rejects, what none of its rules, and those of chains that
// it goes to, lets pass: by a rule of theirs, or else by its policy.
func (r *Ruleset) Drops(chain ID, policy bool) (rule, byPolicy bool) {
	verdict, ends := r.end(chain, 0)
	return ends && verdict == drop, !ends && policy
}

// end is the verdict that the rules of a chain have for every packet, if they have one.
func (r *Ruleset) end(chain ID, depth int) (verdict int32, ends bool) {
	for _, s := range r.steps[chain] {
		if !s.always {
			continue
		}
		switch s.verdict {
		case drop, accept:
			return s.verdict, true
		case unix.NFT_RETURN:
			return 0, false
		case unix.NFT_JUMP, unix.NFT_GOTO:
			if depth < maxJumps {
				verdict, ends = r.end(ID{chain.Family, chain.Table, s.chain}, depth+1)
			}
			if ends || s.verdict == unix.NFT_GOTO {
				return verdict, ends
			}
		}
	}
	return 0, false
}

// From are a chain and those that packets come to from it.
func (r *Ruleset) From(chain ID) []ID {
	all, known := []ID{chain}, map[ID]bool{chain: true}
	for i := 0; i < len(all); i++ {
		for _, s := range r.steps[all[i]] {
			if next := (ID{chain.Family, chain.Table, s.chain}); s.chain != "" && !known[next] {
				all, known[next] = append(all, next), true
			}
		}
	}
	return all
}
