// Package repository holds the rules of the repository as tests.
package repository

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// layers says what each top folder may import of this module, and why (DESIGN: nothing imports upwards). Commands and
// integration tests may import everything. A longer path overrides a shorter.
var layers = []struct {
	folder string
	may    []string
	why    string
}{
	{"internal", []string{"internal", "hooks"}, "the tools that all guards share know no guard; view and audit speak hooks' words"},
	{"internal/policy", nil, "the language knows text and meaning only"},
	{"internal/inode", nil, "an identity depends on nothing"},
	{"internal/layout", nil, "paths depend on nothing"},
	{"internal/seccomp", nil, "filters are compiled in klw-runc, which must stay small"},
	{"internal/guard", []string{"internal", "hooks", "fsguard", "netguard"}, "the wiring of klw-guard: the one place where guards meet"},
	{"internal/klwctl", []string{"internal", "replicafs"}, "the command klwctl: asks guards and replications"},
	{"hooks", []string{"hooks", "internal"}, "the master knows no guard"},
	{"bundle", []string{"bundle", "internal/policy", "internal/layout"}, "reading a bundle needs no running system"},
	{"runtime", []string{"runtime", "bundle", "internal"}, "klw-runc is lean: no guard is linked in"},
	{"fsguard", []string{"fsguard", "hooks", "internal"}, "guards don't know each other"},
	{"netguard", []string{"netguard", "hooks", "internal"}, "guards don't know each other"},
	{"replicafs", []string{"replicafs", "hooks", "internal"}, "guards don't know each other"},
}

type pkg struct {
	ImportPath string
	Imports    []string
	Deps       []string
}

func list(t *testing.T, args ...string) []pkg {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-json=ImportPath,Imports,Deps"}, args...)...)
	cmd.Dir = top(t)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

func top(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func below(path string, folders []string) bool {
	for _, f := range folders {
		if path == f || strings.HasPrefix(path, f+"/") {
			return true
		}
	}
	return false
}

func TestWhoImportsWhom(t *testing.T) {
	checked := 0
	for _, p := range list(t, "./...") {
		path := strings.TrimPrefix(p.ImportPath, "klw/")
		best := -1
		for i, l := range layers {
			if below(path, []string{l.folder}) && (best < 0 || len(l.folder) > len(layers[best].folder)) {
				best = i
			}
		}
		if best < 0 {
			continue
		}
		l := layers[best]
		for _, imp := range p.Imports {
			if rel, ok := strings.CutPrefix(imp, "klw/"); ok {
				checked++
				if !below(rel, l.may) && !below(rel, []string{l.folder}) {
					t.Errorf("%s imports %s, but %s: %s", path, rel, l.folder, l.why)
				}
			}
		}
	}
	if checked == 0 {
		t.Fatal("no import was checked")
	}
}

// linked says what a program must not contain. Each of them starts with every container, and pays for it.
var linked = map[string]map[string]string{
	"klw-runc": {
		"github.com/hanwen/go-fuse":      "views are the guard's",
		"github.com/vishvananda/netlink": "links are the guard's",
		"github.com/google/nftables":     "published ports are the guard's",
		"net/http":                       "nothing here speaks HTTP",
		"klw/hooks":                      "decisions are the guard's",
		"klw/fsguard":                    "decisions are the guard's",
		"klw/netguard":                   "decisions are the guard's",
		"klw/replicafs":                  "replication has programs of its own",
		"github.com/moby/profiles":       "the profile is in the bundle",
	},
	"klw-init": {
		"github.com/hanwen/go-fuse":         "views are the guard's",
		"github.com/cilium/ebpf":            "programs are the guard's, device rules klw-runc's",
		"github.com/vishvananda/netlink":    "links are the guard's",
		"github.com/urfave/cli":             "nobody types klw-init",
		"github.com/opencontainers/cgroups": "klw-runc joins the cgroup",
		"net":                               "it starts with every container and every exec",
		"text/template":                     "it starts with every container and every exec",
		"klw/hooks":                         "decisions are the guard's",
		"klw/internal/policy":               "decisions are the guard's",
	},
	"klw-guard": {
		"net/http": "its control channel is a UNIX socket",
	},
}

func TestWhatIsLinked(t *testing.T) {
	for program, forbidden := range linked {
		deps := list(t, "./cmd/"+program)
		if len(deps) != 1 || len(deps[0].Deps) == 0 {
			t.Fatalf("%s: no dependencies listed", program)
		}
		for _, dep := range deps[0].Deps {
			for bad, why := range forbidden {
				if dep == bad || strings.HasPrefix(dep, bad+"/") && bad != "net" {
					t.Errorf("%s links %s: %s", program, dep, why)
				}
			}
		}
	}
}
