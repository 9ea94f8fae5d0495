// Package boottime is the clock for all times that are kept across processes:
// lifetimes, deadlines.
package boottime

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Now is the time since boot, including sleep. Nobody can set this clock.
func Now() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		panic(os.NewSyscallError("clock_gettime", err)) // only a bad clock id fails
	}
	return time.Duration(ts.Nano())
}
