// Package config reads what was asked for: the command line, and the file that
// may take its place.
//
// Both consist of words of the form key=value. The table in keys.go knows every
// key, where it may stand and what a right value is; the rest of the package
// only sorts words into groups (one for each bridge) and compares the groups. No
// value is ever evaluated or expanded. The package looks at no interface:
// defaults that depend on the host are filled in elsewhere. args.go (passesOver,
// command) and environment.go have what differs if the program is called by the
// name of Xen's own script.
package config
