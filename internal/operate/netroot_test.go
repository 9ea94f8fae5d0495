package operate

import (
	"os"
	"path/filepath"
	"testing"
)

func TestNetRoot(t *testing.T) {
	none := t.TempDir()
	session := t.TempDir()
	if err := os.Mkdir(filepath.Join(session, "connection1:0"), 0o700); err != nil {
		t.Fatal(err)
	}
	const (
		disk = "25 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
		nfs  = "25 1 0:20 / / rw,relatime - nfs4 10.0.0.1:/root rw,vers=4.2\n"
		home = "40 25 0:30 / /home rw - nfs 10.0.0.1:/home rw\n"
		nbd  = "25 1 43:0 / / rw shared:1 master:2 - ext4 /dev/nbd0 rw\n"
	)
	for _, c := range []struct{ mounts, iscsi, want string }{
		{disk, none, ""},
		{disk + home, none, ""},
		{"", none, ""},
		{"25 1\n - \n25 1 8:1 / /\n", none, ""},
		{home + nfs, none, "the root file system is on the network (10.0.0.1:/root, nfs4)"},
		{nbd, none, "the root file system is on the network (/dev/nbd0, ext4)"},
		{disk, session, "there are disks by iSCSI"},
	} {
		if got, err := netRoot(c.mounts, c.iscsi); err != nil || got != c.want {
			t.Errorf("%q, %q:\n got %q\nwant %q", c.mounts, c.iscsi, got, c.want)
		}
	}
}
