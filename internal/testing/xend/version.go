package xend

// Version is a version of Xen, as far as xend differs: each stands for all
// versions up to the next one.
type Version int

// The versions.
const (
	Xen300 Version = iota // 3.0.0 to 3.0.2
	Xen303                // 3.0.3
	Xen304                // 3.0.4 and 3.1
	Xen32                 // 3.2 to 3.4
	Xen40                 // 4.0 to 4.4
)

// Versions is all of them.
var Versions = []Version{Xen300, Xen303, Xen304, Xen32, Xen40}

// String is the first version of those meant.
func (v Version) String() string {
	return [...]string{"3.0.0", "3.0.3", "3.0.4", "3.2", "4.0"}[v]
}

// Runs says whether xend runs the script when it is called as "xend COMMAND".
// Until 3.1 the server does so when it starts (xend/server/SrvServer.py); from 3.2
// on a module does when it is imported (xend/XendPIF.py), whatever the command is.
func (v Version) Runs(command string) bool {
	switch command {
	case "start", "restart":
		return true
	case "stop", "status", "reload":
		return v >= Xen32
	}
	return false
}

// Stdio is where the script's output goes, and the directory that it runs in.
type Stdio struct{ Stdout, Stderr, Dir string }

// Places of output and working directories that are no files.
const (
	Callers = "the caller's"
	Unread  = "a pipe that nobody reads"
)

// Stdio tells where messages of the script go.
func (v Version) Stdio() Stdio {
	switch {
	case v < Xen303:
		return Stdio{"/dev/null", "/var/log/xend-debug.log", "/"}
	case v < Xen32:
		return Stdio{"/dev/null", "/var/log/xen/xend-debug.log", "/"}
	case v < Xen40:
		return Stdio{Callers, Callers, Callers}
	}
	return Stdio{Unread, Callers, Callers}
}
