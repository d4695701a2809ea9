package bundle

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"klw/internal/layout"
)

var update = flag.Bool("update", false, "write what Load says into testdata")

// TestGolden reads testdata/*.txtar: the files of a bundle (and under root/policies the administrator's) above, in
// "want" below what Load says: its errors, or "ok" and where the policy came from. BUNDLE and ROOT stand for the
// folders. A config.json may be given as "change": lines "PATH = JSON", each a change of a good one.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) < 20 {
		t.Fatalf("only %d golden files (%v)", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) { golden(t, file) })
	}
}

func golden(t *testing.T, file string) {
	ar, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	dir, want := t.TempDir(), ""
	rest := ar.Files[:0:0]
	for _, f := range ar.Files {
		switch f.Name {
		case "want":
			want = string(f.Data)
			continue
		case "change":
			write(t, filepath.Join(dir, "bundle", ConfigName), changed(t, string(f.Data)))
		default:
			if name, ok := strings.CutPrefix(f.Name, "root/"); ok {
				write(t, filepath.Join(dir, "root", name), f.Data)
			} else {
				write(t, filepath.Join(dir, "bundle", f.Name), f.Data)
			}
		}
		rest = append(rest, f)
	}
	got := strings.NewReplacer(filepath.Join(dir, "bundle"), "BUNDLE", filepath.Join(dir, "root"), "ROOT").Replace(load(dir)) + "\n"
	if *update {
		ar.Files = append(rest, txtar.File{Name: "want", Data: []byte(got)})
		if err := os.WriteFile(file, txtar.Format(ar), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
}

func load(dir string) string {
	b, err := Load(filepath.Join(dir, "bundle"), layout.Root(filepath.Join(dir, "root")))
	switch {
	case err != nil:
		return err.Error()
	case b.Policy == nil:
		return "ok, without a policy"
	}
	return "ok, policy " + b.Policy.Application + " of " + b.Policy.Texts.File
}

func write(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
}

// changed gives the example's config.json with values replaced: "process.args = []", or removed: "root =".
func changed(t *testing.T, changes string) []byte {
	t.Helper()
	text, err := json.Marshal(Example())
	if err != nil {
		t.Fatal(err)
	}
	var config map[string]any
	if err := json.Unmarshal(text, &config); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(changes) {
		path, value, ok := strings.Cut(strings.TrimSpace(line), " =")
		if !ok {
			t.Fatalf("%q is not PATH = JSON", line)
		}
		change(t, config, strings.Split(path, "."), strings.TrimSpace(value))
	}
	if text, err = json.MarshalIndent(config, "", "  "); err != nil {
		t.Fatal(err)
	}
	return text
}

func change(t *testing.T, at map[string]any, path []string, value string) {
	t.Helper()
	for ; len(path) > 1; path = path[1:] {
		next, ok := at[path[0]].(map[string]any)
		if !ok {
			next = map[string]any{}
			at[path[0]] = next
		}
		at = next
	}
	if value == "" {
		delete(at, path[0])
		return
	}
	var v any
	if err := json.Unmarshal([]byte(value), &v); err != nil {
		t.Fatalf("%s: %v", value, err)
	}
	at[path[0]] = v
}

func TestExampleIsGood(t *testing.T) {
	text, err := json.Marshal(Example())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Parse(text); err != nil {
		t.Error(err)
	}
}

func TestEveryNamespaceOfTheExampleIsKnown(t *testing.T) {
	for _, n := range Example().Linux.Namespaces {
		if Namespace(Example(), n.Type) == nil {
			t.Errorf("%s is not found", n.Type)
		}
	}
}
