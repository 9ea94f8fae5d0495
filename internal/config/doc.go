// Package config reads what was asked: the command line, and the file that
// may stand in for it.
//
// Both are words of the form key=value. The table in keys.go knows every key,
// where it may stand and what a right value is; the rest of the package only
// sorts words into groups (one a bridge) and compares the groups. No value is
// ever evaluated or expanded. The package looks at no interface: defaults that
// depend on the host are filled in elsewhere. What is taken as Xen's own script
// takes it, when the program is called by that name, is in args.go
// (passesOver, command) and environment.go.
package config
