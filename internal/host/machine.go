package host

import "os"

// OfMachine tells whether the interfaces that this process sees are those that
// the machine's services look after: those of process 1's network namespace.
// Where that may not be read, by who is not root, they are taken for such.
func OfMachine() bool {
	ours, _ := os.Readlink("/proc/thread-self/ns/net")
	theirs, err := os.Readlink("/proc/1/ns/net")
	return err != nil || ours == theirs
}
