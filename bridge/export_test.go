package bridge

import "xbr-script/internal/plan"

// SpareName is what a bridge is called that is to get the NIC's name.
var SpareName = spareName

// WithoutGroup makes the kernel refuse what a deletion by a group asks for.
func WithoutGroup(op plan.Op) { op.(*together).Group = 0 }
