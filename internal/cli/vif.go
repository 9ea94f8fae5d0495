package cli

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"xbr-script/internal/config"
	"xbr-script/internal/operate"
	"xbr-script/internal/refusal"
	"xbr-script/internal/vif"
)

// hotplugLog is where Xen's scripts write what they have to say.
const hotplugLog = "/var/log/xen/xen-hotplug.log"

// hotplug is the program as a vif script. Whoever calls it looks at xenstore and at the
// exit status, and nobody at what is printed: that goes where other scripts' words go.
func hotplug(args []string, stderr io.Writer) int {
	signal.Ignore(unix.SIGPIPE)
	log, end := hotplugWriter(stderr)
	defer end()
	note := func(text string) { say(log, vif.Script+": "+strings.Join(args[1:], " ")+": "+text) }
	call, err := vif.Parse(args[1:], os.Getenv)
	if err == nil && call == nil {
		return done
	}
	if err == nil {
		ctx, stop := untilSignal()
		defer stop()
		c := &operate.Call{Request: &config.Request{}, Name: vif.Script, Args: args[1:], Note: note}
		err = c.Hotplug(ctx, call)
	}
	if err != nil {
		note(strings.ReplaceAll(strings.TrimSpace(strings.ReplaceAll(refusal.Text(err), "xbr-script: ", "")), "\n", "; "))
		return refusal.Failed
	}
	return done
}

// hotplugWriter is that log, or stderr where Xen has none.
func hotplugWriter(stderr io.Writer) (w io.Writer, end func()) {
	f, err := os.OpenFile(hotplugLog, os.O_APPEND|os.O_CREATE|os.O_WRONLY|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return stderr, func() {}
	}
	return stamped{f}, func() { _ = f.Close() }
}

// stamped puts the time before each line.
type stamped struct{ w io.Writer }

// Write implements io.Writer.
func (s stamped) Write(b []byte) (int, error) {
	if _, err := fmt.Fprintf(s.w, "%s %s", time.Now().UTC().Format(time.RFC3339), b); err != nil {
		return 0, err
	}
	return len(b), nil
}
