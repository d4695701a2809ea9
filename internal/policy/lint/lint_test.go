package lint

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"klw/internal/policy"
)

var update = flag.Bool("update", false, "write what Check says into testdata")

// TestGolden reads testdata/*.txtar: a policy (web.policy, and what it names beside it), in "options" what is known of
// the bundle, in "want" the warnings.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) < 6 {
		t.Fatalf("only %d golden files (%v)", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			ar, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got, want := golden(t, ar), ""
			ar.Files = slices.DeleteFunc(ar.Files, func(f txtar.File) bool {
				if f.Name == "want" {
					want = string(f.Data)
				}
				return f.Name == "want"
			})
			if *update {
				ar.Files = append(ar.Files, txtar.File{Name: "want", Data: []byte(got)})
				if err := os.WriteFile(file, bytes.Clone(txtar.Format(ar)), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("want -, got +:\n%s", diff)
			}
		})
	}
}

func golden(t *testing.T, ar *txtar.Archive) string {
	var o Options
	fsys := fstest.MapFS{}
	for _, f := range ar.Files {
		fsys[f.Name] = &fstest.MapFile{Data: f.Data}
		for option := range strings.FieldsSeq(string(f.Data)) {
			switch {
			case f.Name != "options":
			case option == "setuid":
				o.Setuid = true
			default:
				o.Elsewhere = func(path string) bool { return policy.Below(path, option) }
			}
		}
	}
	p, err := policy.ParseWith("web.policy", fsys["web.policy"].Data, policy.FolderResolver(fsys))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, w := range Check(p, o) {
		b.WriteString(w.String() + "\n")
	}
	return b.String()
}

// TestExamples wants no warning about the policies that people start from.
func TestExamples(t *testing.T) {
	files, err := filepath.Glob("../../../examples/policies/*.policy")
	if err != nil || len(files) == 0 {
		t.Fatal("no examples", err)
	}
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		p, err := policy.Parse(filepath.Base(file), src)
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range Check(p, Options{}) {
			t.Error(w)
		}
	}
}
