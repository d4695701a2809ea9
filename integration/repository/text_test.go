package repository

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func tracked(t *testing.T, patterns ...string) []string {
	t.Helper()
	cmd := exec.Command("git", append([]string{"ls-files", "--"}, patterns...)...)
	cmd.Dir = top(t)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("git ls-files: %v", err)
	}
	files := strings.Fields(string(out))
	if len(files) == 0 {
		t.Fatalf("no file matches %v", patterns)
	}
	return files
}

// TestNothingIsLeftForLater: a skip or a note to oneself is a promise that somebody else must keep.
func TestNothingIsLeftForLater(t *testing.T) {
	bad := regexp.MustCompile(`\bt\.Skip|\b(TO` + `DO|FIX` + `ME|XX` + `X)\b`)
	for _, file := range tracked(t, "*.go", "*.c", "*.h", "Makefile", "tools") {
		text, err := os.ReadFile(filepath.Join(top(t), file))
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range bytes.Split(text, []byte("\n")) {
			if bad.Match(line) {
				t.Errorf("%s:%d: %s", file, i+1, bytes.TrimSpace(line))
			}
		}
	}
}

// TestPackagesAreDocumented: the package comment is the manual.
func TestPackagesAreDocumented(t *testing.T) {
	documented := map[string]bool{}
	for _, file := range tracked(t, "*.go") {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(top(t), file), nil, parser.ParseComments|parser.PackageClauseOnly)
		if err != nil {
			t.Fatal(err)
		}
		if !buildIgnored(f) {
			dir := filepath.Dir(file)
			documented[dir] = documented[dir] || f.Doc != nil
		}
	}
	for dir, ok := range documented {
		if !ok {
			t.Errorf("%s has no package comment", dir)
		}
	}
}

func buildIgnored(f *ast.File) bool {
	for _, group := range f.Comments {
		for _, c := range group.List {
			if strings.HasPrefix(c.Text, "//go:build ignore") {
				return true
			}
		}
	}
	return false
}

// TestSizes: a file that has grown past one idea is split. The ceiling is what no file of ours may reach; the aim is
// a median of about 100 lines.
func TestSizes(t *testing.T) {
	for _, file := range tracked(t, "*.go") {
		text, err := os.ReadFile(filepath.Join(top(t), file))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.HasPrefix(text, []byte("// Code generated")) {
			continue
		}
		if n := bytes.Count(text, []byte("\n")); n > 500 {
			t.Errorf("%s has %d lines", file, n)
		}
	}
}
