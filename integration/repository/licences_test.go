package repository

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// licences that may be linked into an Apache-2.0 program, each recognised by words of its text.
var licences = map[string]*regexp.Regexp{
	"Apache-2.0": regexp.MustCompile(`Apache License\s+Version 2\.0`),
	"MIT":        regexp.MustCompile(`Permission is hereby granted, free of charge`),
	"BSD":        regexp.MustCompile(`Redistribution and use in source and binary forms`),
	"MPL-2.0":    regexp.MustCompile(`Mozilla Public License,? [Vv]ersion 2\.0`),
	"ISC":        regexp.MustCompile(`Permission to use, copy, modify, and/?o?r? distribute this software`),
}

// TestLicences looks at every module that any of our programs or tests is built from.
func TestLicences(t *testing.T) {
	cmd := exec.Command("go", "list", "-deps", "-test", "-json=Module", "./...")
	cmd.Dir = top(t)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	seen := map[string]bool{}
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct {
			Module *struct {
				Path, Dir string
				Main      bool
			}
		}
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if p.Module == nil || p.Module.Main || seen[p.Module.Path] {
			continue
		}
		seen[p.Module.Path] = true
		if !known(p.Module.Dir) {
			t.Errorf("%s: no licence text that we know in %s", p.Module.Path, p.Module.Dir)
		}
	}
	if len(seen) < 5 {
		t.Fatalf("only %d modules were looked at", len(seen))
	}
}

func known(dir string) bool {
	files, _ := filepath.Glob(filepath.Join(dir, "[LC][IiO][CcP]*"))
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		for _, pattern := range licences {
			if pattern.Match(text) {
				return true
			}
		}
	}
	return false
}
