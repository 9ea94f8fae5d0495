package manager

import (
	"fmt"

	"xbr-script/internal/refusal"
)

// Hidden is the error if a manager's steps depend on a file that only root may read. A
// dry run does without them, and says so.
type Hidden struct {
	Path    string
	Manager string // whose file it is
}

func (h *Hidden) Error() string {
	return fmt.Sprintf("cannot read %s, by which %s configures the NIC", h.Path, h.Manager)
}

// Advice implements refusal.Explained.
func (h *Hidden) Advice() string { return "run it with sudo" }

// ExitStatus implements refusal.Explained.
func (h *Hidden) ExitStatus() int { return refusal.Failed }

// Lack is what a plan without those steps lacks.
func (h *Hidden) Lack() string {
	return h.Error() + ": what has to be done about that is not in here. For the whole script: " + h.Advice()
}
