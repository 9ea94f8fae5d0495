package other

import "testing"

func TestElsewhere(t *testing.T) { shared() }

func TestShared(t *testing.T) { begins() }

func shared() {
	if testing.Short() {
		return
	}
}
