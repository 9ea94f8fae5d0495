package operate

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// warnOfNetRoot says that the disks are on the network, and that they may pause. It
// loads the whole program into memory: a page that had to be read from such a disk
// while the NIC is off would never come.
func (c *Call) warnOfNetRoot() error {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return fmt.Errorf("cannot see whether the disks are on the network: %w", err)
	}
	text, err := netRoot(string(mounts), "/sys/class/iscsi_connection")
	if err != nil || text == "" {
		return err
	}
	c.Note(text + ": programs that read from it may pause while the NIC moves")
	_ = unix.Mlockall(unix.MCL_CURRENT) // if it fails, this program is no worse off than any other
	return nil
}

// netFS are file systems on other hosts.
var netFS = map[string]bool{
	"nfs": true, "nfs4": true, "cifs": true, "smb3": true, "ceph": true, "9p": true, "afs": true, "gfs2": true, "ocfs2": true, "fuse.glusterfs": true,
}

// netRoot says where the root file system is if it is on the network, or that there
// are disks by iSCSI. mounts is as in proc(5), mountinfo.
func netRoot(mounts, iscsi string) (string, error) {
	for line := range strings.Lines(mounts) {
		before, after, _ := strings.Cut(line, " - ")
		m, fs := strings.Fields(before), strings.Fields(after)
		if len(m) < 5 || len(fs) < 2 || m[4] != "/" {
			continue
		}
		if netFS[fs[0]] || strings.HasPrefix(fs[1], "/dev/nbd") {
			return fmt.Sprintf("the root file system is on the network (%s, %s)", fs[1], fs[0]), nil
		}
	}
	found, err := os.ReadDir(iscsi)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	if len(found) > 0 {
		return "there are disks by iSCSI", nil
	}
	return "", nil
}
