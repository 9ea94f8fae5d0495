package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// callOf is the system call of each function of package unix that the program uses; ""
// is none.
var callOf = map[string]string{
	"Access": "faccessat", "Bind": "bind", "BindToDevice": "setsockopt", "ClockGettime": "clock_gettime", "Close": "close", "CloseOnExec": "fcntl",
	"FcntlFlock": "fcntl", "Flock": "flock", "Fstat": "fstat", "Fstatfs": "fstatfs", "Getpgrp": "getpgrp", "Getpid": "getpid", "Getppid": "getppid", "Getsockname": "getsockname",
	"Getpeername": "getpeername", "GetsockoptInet4Addr": "getsockopt", "GetsockoptInt": "getsockopt", "GetsockoptUint64": "getsockopt", "Gettid": "gettid",
	"IoctlGetInt": "ioctl", "IoctlGetTermios": "ioctl", "IoctlIfreq": "ioctl", "Kill": "kill", "Mlockall": "mlockall", "Nanosleep": "nanosleep",
	"Open": "openat", "Openat": "openat", "PidfdGetfd": "pidfd_getfd", "PidfdOpen": "pidfd_open", "Poll": "ppoll", "Read": "read", "ReadDirent": "getdents64",
	"Readlinkat": "readlinkat", "Setns": "setns", // RestrictNamespaces= refuses the latter, on purpose
	"Recvfrom": "recvfrom", "Sendmsg": "sendmsg", "Sendto": "sendto", "SetNonblock": "fcntl", "SetsockoptICMPv6Filter": "setsockopt",
	"SetsockoptIPMreqn": "setsockopt", "SetsockoptIPv6Mreq": "setsockopt", "SetsockoptInt": "setsockopt", "SetsockoptString": "setsockopt",
	"Socket": "socket", "Socketpair": "socketpair", "Stat": "newfstatat", "Uname": "uname", "Unlink": "unlinkat", "Write": "write",
	"ByteSliceToString": "", "Errno": "", "Major": "", "Minor": "", "NewIfreq": "", "NsecToTimespec": "", "ParseDirent": "", "UnixRights": "",
}

// unit are the settings of the boot unit.
type unit map[string][]string

func readUnit(t *testing.T) unit {
	t.Helper()
	data, err := os.ReadFile("scripts/xbr-script.service")
	if err != nil {
		t.Fatal(err)
	}
	u := unit{}
	for line := range strings.Lines(string(data)) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(line, "#") {
			u[key] = append(u[key], value)
		}
	}
	return u
}

func (u unit) on(key string) bool { return slices.Contains(u[key], "yes") }

// calls are the system calls that the unit lets through.
func (u unit) calls(t *testing.T) map[string]bool {
	t.Helper()
	calls := map[string]bool{}
	for _, value := range u["SystemCallFilter"] {
		list, not := strings.CutPrefix(value, "~")
		for _, word := range strings.Fields(list) {
			for _, call := range callsIn(t, word) {
				calls[call] = !not
			}
		}
	}
	return calls
}

// callsIn are the system calls of one of systemd's groups, as it knows them itself.
func callsIn(t *testing.T, word string) (calls []string) {
	t.Helper()
	if !strings.HasPrefix(word, "@") {
		return []string{word}
	}
	out, err := exec.Command("systemd-analyze", "syscall-filter", "--no-pager", word).Output()
	if err != nil {
		t.Fatalf("systemd-analyze syscall-filter %s: %v", word, err)
	}
	for line := range strings.Lines(string(out)) {
		if name := strings.TrimSpace(line); strings.HasPrefix(line, " ") && !strings.HasPrefix(name, "#") {
			calls = append(calls, callsIn(t, name)...)
		}
	}
	return calls
}

// hides says by which setting a service does not see a file.
func (u unit) hides(path string) string {
	within := func(dirs ...string) bool {
		return slices.ContainsFunc(dirs, func(dir string) bool { return path == dir || strings.HasPrefix(path, dir+"/") })
	}
	devices := u.on("PrivateDevices") || slices.Contains(u["DevicePolicy"], "closed")
	switch {
	case u.on("ProtectKernelModules") && within("/lib/modules", "/usr/lib/modules"):
		return "ProtectKernelModules"
	case u.on("PrivateTmp") && within("/tmp", "/var/tmp"):
		return "PrivateTmp"
	case len(u["ProtectHome"]) > 0 && within("/home", "/root", "/run/user"):
		return "ProtectHome"
	case u.on("ProtectKernelLogs") && within("/dev/kmsg", "/proc/kmsg"):
		return "ProtectKernelLogs"
	case len(u["ProcSubset"]) > 0 && within("/proc"):
		return "ProcSubset"
	case devices && within("/dev") && (u.on("PrivateDevices") || !slices.Contains(u["DeviceAllow"], path+" rw")):
		return "DevicePolicy"
	}
	return ""
}

// seen are what the program names and no service lacks: a socket, and the beginnings of
// names in lists.
var seen = []string{"/dev/", "/dev/log", "/dev/nbd"}

// TestUnit has the boot unit let through what the source says that the program does: each
// system call, each kind of socket, each file.
func TestUnit(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("systemd-analyze"); err != nil && os.Getenv("CI") != "true" {
		t.Skip("there is no systemd-analyze")
	}
	u := readUnit(t)
	calls, families := u.calls(t), strings.Fields(strings.Join(u["RestrictAddressFamilies"], " "))
	used := map[string]int{}
	check := func(kind, what string, ok bool, why string) {
		if used[kind]++; !ok {
			t.Errorf("the unit does not let the program have %s %s: %s", kind, what, why)
		}
	}
	eachFile(t, func(file string, n ast.Node) {
		switch n := n.(type) {
		case *ast.BasicLit:
			if path, err := strconv.Unquote(n.Value); n.Kind == token.STRING && err == nil && filepath.IsAbs(path) && !slices.Contains(seen, path) {
				check("the file", path, u.hides(path) == "", file+": "+u.hides(path))
			}
		case *ast.CallExpr:
			name := inUnix(n.Fun)
			call, known := callOf[name]
			if name == "Syscall" || name == "Syscall6" {
				call, known = strings.ToLower(strings.TrimPrefix(inUnix(n.Args[0]), "SYS_")), true
			}
			switch {
			case name == "":
			case !known:
				t.Errorf("%s: which system call unix.%s makes is not in callOf", file, name)
			case call != "":
				check("the system call", call, calls[call], file)
			}
			if name == "Socket" || name == "Socketpair" {
				if family := inUnix(n.Args[0]); family != "" {
					check("the sockets", family, slices.Contains(families, family), file)
				}
			}
		}
	})
	if used["the file"] < 50 || used["the system call"] < 50 || used["the sockets"] < 5 {
		t.Errorf("too little was found: %v", used)
	}
}

// inUnix is the name in an expression such as unix.Bind.
func inUnix(e ast.Expr) string {
	s, ok := e.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	if of, ok := s.X.(*ast.Ident); !ok || of.Name != "unix" {
		return ""
	}
	return s.Sel.Name
}

// eachFile visits the program's own source.
func eachFile(t *testing.T, visit func(file string, n ast.Node)) {
	t.Helper()
	set := token.NewFileSet()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch name := d.Name(); {
		case err != nil:
			return err
		case d.IsDir() && (path == "tools" || name == "testing" || name == "testdata" || path != "." && strings.HasPrefix(name, ".")):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(set, path, nil, 0)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			visit(path, n)
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
