package a

import "testing"

type lab struct{}

func (lab) run(t *testing.T) { cases(t) }

func cases(t *testing.T) []int {
	if testing.Short() {
		return nil
	}
	return cases(t)
}
