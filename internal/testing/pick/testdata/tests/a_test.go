package a

import (
	"sync"
	"testing"
)

func TestMain(m *testing.M) { _ = testing.Short() }

func TestShort(t *testing.T) {
	if testing.Short() {
		t.Skip()
	}
}

func TestByHelper(t *testing.T) { l := lab{}; l.run(t) }

func TestInTable(t *testing.T) {
	for _, f := range []func(){begins} {
		f()
	}
}

func TestGroup(t *testing.T) {
	var g sync.WaitGroup
	g.Go(func() {})
	g.Wait()
}

func TestNeither(t *testing.T) { shared() }

func begins() { go shared() }

func shared() {}
