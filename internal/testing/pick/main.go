// Command pick prints a pattern for go test -run of the tests below the current folder
// that have something to them:
//
//	pick short      they are shortened by -short (testing.Short)
//	pick goroutines they start goroutines
//
// themselves, or in what they call in the tests of their package. Functions are told
// apart by their names alone, so it may be some tests more.
package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	if len(os.Args) != 2 || marks[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: pick short|goroutines")
		os.Exit(2)
	}
	names, err := pick(".", marks[os.Args[1]])
	if err != nil {
		fmt.Fprintln(os.Stderr, "pick: "+err.Error())
		os.Exit(1)
	}
	fmt.Println("^(" + strings.Join(names, "|") + ")$")
}

// marks say of a piece of a function whether it has what is looked for.
var marks = map[string]func(ast.Node) bool{
	"short": func(n ast.Node) bool { return isCall(n, "testing", "Short") },
	"goroutines": func(n ast.Node) bool {
		_, starts := n.(*ast.GoStmt)
		return starts || isCall(n, "", "Go") // as of a sync.WaitGroup
	},
}

// isCall says whether it is a call of that function of a package, or with "" of that
// method of anything.
func isCall(n ast.Node, of, name string) bool {
	call, ok := n.(*ast.CallExpr)
	if !ok {
		return false
	}
	f, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || f.Sel.Name != name {
		return false
	}
	x, ok := f.X.(*ast.Ident)
	return of == "" || ok && x.Name == of
}

// function is one in the tests of a package, or several by the same name.
type function struct {
	has   bool     // what is looked for
	names []string // that are in it, some of which are functions
}

// pick are the tests below root that have it, sorted.
func pick(root string, has func(ast.Node) bool) (names []string, err error) {
	packages := map[string]map[string]*function{}
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && d.Name() == "testdata":
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		dir := filepath.Dir(path)
		if packages[dir] == nil {
			packages[dir] = map[string]*function{}
		}
		return read(path, packages[dir], has)
	})
	for _, all := range packages {
		for name := range all {
			if strings.HasPrefix(name, "Test") && name != "TestMain" && reaches(all, name, map[string]bool{}) {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names), err
}

// read adds the functions of a file.
func read(path string, all map[string]*function, has func(ast.Node) bool) error {
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
	if err != nil {
		return err
	}
	for _, d := range file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok {
			continue
		}
		if all[f.Name.Name] == nil {
			all[f.Name.Name] = &function{}
		}
		is := all[f.Name.Name]
		ast.Inspect(f, func(n ast.Node) bool {
			if id, ok := n.(*ast.Ident); ok {
				is.names = append(is.names, id.Name)
			}
			is.has = is.has || n != nil && has(n)
			return true
		})
	}
	return nil
}

// reaches says whether a function has it, or one that it names.
func reaches(all map[string]*function, name string, seen map[string]bool) bool {
	f := all[name]
	if f == nil || seen[name] {
		return false
	}
	seen[name] = true
	return f.has || slices.ContainsFunc(f.names, func(n string) bool { return reaches(all, n, seen) })
}
