package bridge

import "xbr-script/internal/plan"

// WithoutGroup makes the kernel refuse what a deletion by a group asks for.
func WithoutGroup(op plan.Op) { op.(*together).Group = 0 }
