package host

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sys/unix"

	"xbr-script/internal/rtnl"
)

// AwaitCarrier waits until the kernel reports a carrier on each of the interfaces,
// and returns those that have none when the limit is over or ctx is done. A NIC
// that was switched off needs seconds to agree with the switch on a speed.
func AwaitCarrier(ctx context.Context, links []int, limit time.Duration) (down []int, err error) {
	if len(links) == 0 {
		return nil, nil
	}
	c, err := rtnl.Dial()
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.Close() }()
	events, err := rtnl.Subscribe(unix.RTNLGRP_LINK)
	if err != nil {
		return nil, err
	}
	defer func() { _ = events.Close() }()
	end := time.Now().Add(limit)
	for {
		if down, err = noCarrier(c, links); err != nil || len(down) == 0 {
			return down, err
		}
		left := time.Until(end)
		if left <= 0 || ctx.Err() != nil {
			return down, nil
		}
		// A signal may end ctx without an event to wake this up.
		if err := events.Wait(min(left, 100*time.Millisecond)); err != nil {
			return down, err
		}
	}
}

// noCarrier are the interfaces that have no carrier now, or are gone.
func noCarrier(c *rtnl.Conn, links []int) (down []int, err error) {
	for _, index := range links {
		l, err := ReadLink(c, index)
		if err != nil && !errors.Is(err, unix.ENODEV) {
			return nil, err
		}
		if err != nil || !l.Running() {
			down = append(down, index)
		}
	}
	return down, nil
}
