package nfrule

import (
	"golang.org/x/sys/unix"

	"xbr-script/internal/rtnl"
)

// Verdicts of rules, besides those that unix names (linux/netfilter.h).
const (
	Drop   = 0
	Accept = 1
)

// Step is what a rule of a chain says of packets: whether they go on, or where.
type Step struct {
	Verdict int32  // Drop, Accept, unix.NFT_RETURN, NFT_JUMP or NFT_GOTO
	Chain   string // that it jumps or goes to
	Always  bool   // for every packet
}

// Chains are what the rules of chains say, in their order, as far as it can decide what becomes
// of every packet.
type Chains map[ID][]Step

// maxJumps is how deep chains can be within one another (NFT_JUMP_STACK_SIZE).
const maxJumps = 16

// stepOf is what a rule says; not ok if it can be left out: it has no verdict, or one for some
// packets that are not sent to another chain.
func stepOf(exprs []byte) (s Step, ok bool) {
	s.Always = true
	for a := range rtnl.ParseAttrs(exprs) {
		e := exprOf(0, a.Value)
		switch e.name {
		case "counter", "log", "last":
		case "reject":
			s.Verdict, ok = Drop, true
		case "queue":
			s.Verdict, ok = Accept, true // a program decides
		case "immediate":
			verdict := rtnl.FindAttr(rtnl.FindAttr(e.data, nftaImmediateData), unix.NFTA_DATA_VERDICT)
			if verdict == nil {
				continue // a number
			}
			s.Verdict, s.Chain, ok = int32(be32(verdict, unix.NFTA_VERDICT_CODE)), rtnl.String(rtnl.FindAttr(verdict, unix.NFTA_VERDICT_CHAIN)), true
		case "match":
			s.Always = s.Always && rtnl.String(rtnl.FindAttr(e.data, unix.NFTA_MATCH_NAME)) == "comment"
		case "target":
			if name := rtnl.String(rtnl.FindAttr(e.data, unix.NFTA_TARGET_NAME)); name == "REJECT" || name == "DROP" {
				s.Verdict, ok = Drop, true
			} else if name == "NFQUEUE" {
				s.Verdict, ok = Accept, true
			}
		default:
			s.Always = false
		}
	}
	return s, ok && (s.Always || s.Chain != "")
}

// Drops says whether a chain drops, or rejects, what none of its rules, and those of chains that
// it goes to, lets pass: by a rule of theirs, or else by its policy.
func (c Chains) Drops(chain ID, policy bool) (rule, byPolicy bool) {
	verdict, ends := c.end(chain, 0)
	return ends && verdict == Drop, !ends && policy
}

// end is the verdict that the rules of a chain have for every packet, if they have one.
func (c Chains) end(chain ID, depth int) (verdict int32, ends bool) {
	for _, s := range c[chain] {
		if !s.Always {
			continue
		}
		switch s.Verdict {
		case Drop, Accept:
			return s.Verdict, true
		case unix.NFT_RETURN:
			return 0, false
		case unix.NFT_JUMP, unix.NFT_GOTO:
			if depth < maxJumps {
				verdict, ends = c.end(ID{chain.Family, chain.Table, s.Chain}, depth+1)
			}
			if ends || s.Verdict == unix.NFT_GOTO {
				return verdict, ends
			}
		}
	}
	return 0, false
}

// From are a chain and those that packets come to from it.
func (c Chains) From(chain ID) []ID {
	all, known := []ID{chain}, map[ID]bool{chain: true}
	for i := 0; i < len(all); i++ {
		for _, s := range c[all[i]] {
			if next := (ID{chain.Family, chain.Table, s.Chain}); s.Chain != "" && !known[next] {
				all, known[next] = append(all, next), true
			}
		}
	}
	return all
}
