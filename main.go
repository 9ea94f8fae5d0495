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
