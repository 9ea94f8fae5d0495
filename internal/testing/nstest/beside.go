package nstest

import (
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// Beside runs f at the same time, in a goroutine that stands in the caller's
// namespaces. The channel is closed when f has returned; the goroutine's thread
// ends with it.
func Beside(t T, f func()) (ended <-chan struct{}) {
	helper(t)()
	Guard(t)
	var files []*os.File
	for _, ns := range []string{"net", "mnt"} {
		file, err := os.Open("/proc/thread-self/ns/" + ns)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	entered, done := make(chan error), make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		err := enter(files)
		entered <- err
		if err == nil {
			f()
		}
	}()
	if err := <-entered; err != nil {
		t.Fatal(err)
	}
	return done
}

// enter moves the calling thread into namespaces, and closes the files.
func enter(namespaces []*os.File) error {
	// A thread that shares its root with others cannot change its mounts.
	err := unix.Unshare(unix.CLONE_FS)
	for _, file := range namespaces {
		if err == nil {
			err = unix.Setns(int(file.Fd()), 0)
		}
		_ = file.Close()
	}
	return err
}
