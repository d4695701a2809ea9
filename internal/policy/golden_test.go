package policy

import (
	"bytes"
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "write what the parser says into testdata")

// TestGolden reads testdata/*.txtar: a policy (web.policy, and what it includes beside it) above, in "want" below
// either its errors or how it is printed.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) < 20 {
		t.Fatalf("only %d golden files (%v)", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) { golden(t, file) })
	}
}

func golden(t *testing.T, file string) {
	ar, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	fsys := fstest.MapFS{}
	var src, want []byte
	for _, f := range ar.Files {
		switch f.Name {
		case "want":
			want = f.Data
		case "web.policy":
			src = f.Data
		default:
			fsys[f.Name] = &fstest.MapFile{Data: f.Data, Mode: 0o644}
		}
	}
	got := parsed(t, src, fsys)
	if *update {
		writeWant(t, file, ar, got)
		return
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
}

// parsed gives the printed policy or its errors.
func parsed(t *testing.T, src []byte, fsys fs.FS) string {
	p, err := ParseWith("web.policy", src, FolderResolver(fsys))
	if err == nil {
		return p.String()
	}
	var list ErrorList
	if p != nil || !errors.As(err, &list) {
		t.Fatalf("policy %v with error %#v", p, err)
	}
	return list.Error() + "\n"
}

func writeWant(t *testing.T, file string, ar *txtar.Archive, got string) {
	kept := ar.Files[:0]
	for _, f := range ar.Files {
		if f.Name != "want" {
			kept = append(kept, f)
		}
	}
	ar.Files = append(kept, txtar.File{Name: "want", Data: []byte(got)})
	if err := os.WriteFile(file, bytes.Clone(txtar.Format(ar)), 0o644); err != nil {
		t.Fatal(err)
	}
}
