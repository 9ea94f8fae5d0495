// The program ends in milliseconds: how much of the processors a control group may have
// is not worth reading at each start, and again every second.
//
//go:debug containermaxprocs=0
//go:debug updatemaxprocs=0

// Command xbr-script puts a host's NICs into bridges for Xen's
// guests and takes them out again, in place of Xen's network-bridge script.
package main

import (
	"os"

	"xbr-script/internal/cli"
)

// version is set by the Makefile.
var version = "dev"

func main() {
	os.Exit(cli.Run(os.Args, version, os.Stdout, os.Stderr))
}
