package attack

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// TestAttack is the attack table.
func TestAttack(t *testing.T) {
	top, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	work := t.TempDir()
	bin := filepath.Join(top, "bin")
	klw := []string{filepath.Join(bin, "klw-runc"), "--root", filepath.Join(work, "klw")}
	events := []string{filepath.Join(bin, "klwctl"), "--root", filepath.Join(work, "klw"), "events", "--json", "--container"}
	runc := []string{"runc", "--root", filepath.Join(work, "runc")}
	columns := []*column{
		{title: "runc", runtime: runc},
		{title: "runc, all privileges", runtime: runc, loose: true},
		{title: "klw", runtime: klw, events: events},
		{title: "klw, all privileges", runtime: klw, events: events, loose: true},
		{title: "klw, user namespace", runtime: klw, events: events, loose: true, mapped: true},
	}
	o := newOutside(t)
	ns := namespace(t)
	results := make([][]outcome, len(columns))
	for i, c := range columns {
		t.Run(strings.ReplaceAll(c.title, ", ", "-"), func(t *testing.T) {
			bundle := filepath.Join(work, fmt.Sprintf("attack%d-%d", i, os.Getpid()))
			makeBundle(t, top, bundle)
			path := ns
			if c.events != nil {
				path = "" // klw makes its own
			}
			c.start(t, bundle, path)
			listenAbstract(t, c.pid)
			before := mountinfo(t, c.pid)
			for _, r := range rows {
				results[i] = append(results[i], c.try(t, r, o))
			}
			if after := mountinfo(t, c.pid); c.events != nil && after != before {
				t.Errorf("the container's mounts changed:\nbefore:\n%s\nafter:\n%s", before, after)
			}
		})
	}
	about := descriptions(t, filepath.Join(work, "attempt"))
	print(columns, results, about)
	check(t, columns, results)
}

// check holds the table against what it must show.
func check(t *testing.T, columns []*column, results [][]outcome) {
	for i, r := range rows {
		possible := false
		for j, c := range columns {
			if len(results[j]) <= i {
				t.Fatalf("%s: the column is incomplete", c.title)
			}
			res := results[j][i]
			if c.events == nil {
				possible = possible || res.worked
				continue
			}
			if res.worked {
				t.Errorf("%s: %s as %s got through", c.title, r.name, r.user)
			}
			if c.loose && r.silent == "" && (!c.mapped || r.ofHost == "") && len(res.events) == 0 {
				t.Errorf("%s: %s as %s was refused (%s) without an event", c.title, r.name, r.user, res.text)
			}
		}
		if !possible {
			t.Errorf("%s as %s works under neither runc: it proves nothing (%s; %s)", r.name, r.user, results[0][i].text, results[1][i].text)
		}
	}
}

// print writes the table; make attack shows the lines that begin with ATTACK.
func print(columns []*column, results [][]outcome, about map[string]string) {
	line := func(cells ...string) { fmt.Printf("ATTACK | %s |\n", strings.Join(cells, " | ")) }
	heads := []string{"attempt", "as"}
	rules := []string{"---", "---"}
	for _, c := range columns {
		heads, rules = append(heads, c.title), append(rules, "---")
	}
	line(append(heads, "event")...)
	line(append(rules, "---")...)
	for i, r := range rows {
		user := "root"
		if r.user == webuser {
			user = "www-data"
		}
		cells := []string{about[r.name], user}
		event := ""
		for j := range columns {
			if len(results[j]) <= i {
				cells = append(cells, "?")
				continue
			}
			res := results[j][i]
			verdict := "refused: " + short(res.text)
			if res.worked {
				verdict = "**works**"
			}
			cells = append(cells, verdict)
			if len(res.events) > 0 {
				e := res.events[0]
				event = fmt.Sprintf("%s %s, %s", e.Module, e.Operation, e.Rule)
			}
		}
		if event == "" {
			event = "none: " + r.silent
		}
		line(append(cells, event)...)
	}
}

func short(text string) string {
	text, _, _ = strings.Cut(text, " (")
	if len(text) > 40 {
		text = text[:40] + "…"
	}
	return strings.ReplaceAll(text, "\n", " ")
}

// makeBundle copies the Apache bundle and puts the attempts in, as a plain, a set-user-ID and a capable program.
func makeBundle(t *testing.T, top, to string) {
	t.Helper()
	run(t, "cp", "-a", "--reflink=auto", filepath.Join(top, "apache-bundle")+"/.", to)
	freshBackup(t, to)
	policy, err := os.ReadFile(filepath.Join(to, "klw.policy"))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(policy), "@general\n", "@general\nfile /attack read execute\n"+
		"file /attack/box read write\nfile /attack/twin read write\n", 1)
	text = strings.Replace(text, "127.0.0.1:8080", "127.0.0.1:"+freePort(t), 1)
	if err := os.WriteFile(filepath.Join(to, "klw.policy"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(to, "rootfs/attack")
	if err := os.MkdirAll(filepath.Join(dir, "box"), 0o755); err != nil {
		t.Fatal(err)
	}
	attempt := filepath.Join(filepath.Dir(to), "attempt")
	if _, err := os.Stat(attempt); err != nil {
		cmd := exec.Command("go", "build", "-o", attempt, "./attempt")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("build the attempts: %v: %s", err, out)
		}
	}
	plantTargets(t, filepath.Join(to, "rootfs"))
	editConfig(t, to, func(s *specs.Spec) {
		s.Mounts = append(s.Mounts, specs.Mount{Source: filepath.Join(to, "rootfs/usr/share/apache2/icons"),
			Destination: "/attack/twin", Type: "bind", Options: []string{"bind", "rw"}})
	})
	for _, name := range []string{"attempt", "suid", "filecap", "../etc/apache2/program"} {
		run(t, "cp", attempt, filepath.Join(dir, name))
	}
	if err := os.Chmod(filepath.Join(dir, "suid"), 0o755|os.ModeSetuid); err != nil {
		t.Fatal(err)
	}
	// struct vfs_cap_data, version 2, effective: CAP_SETUID (bit 7)
	capable := []byte{1, 0, 0, 2, 1 << 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	if err := unix.Setxattr(filepath.Join(dir, "filecap"), "security.capability", capable, 0); err != nil {
		t.Fatal(err)
	}
}

// plantTargets makes what attempts aim at.
func plantTargets(t *testing.T, rootfs string) {
	t.Helper()
	secret := filepath.Join(rootfs, "root/secret")
	for _, err := range []error{
		os.WriteFile(secret, []byte("of root"), 0o600),
		unix.Setxattr(secret, "user.klw", []byte("secret"), 0),
		os.Symlink("somewhere", filepath.Join(rootfs, "root/link")),
		os.WriteFile(filepath.Join(rootfs, "root/unseen"), []byte("of root"), 0o600),
		os.Link(filepath.Join(rootfs, "root/unseen"), filepath.Join(rootfs, "usr/share/apache2/unseen")),
		os.MkdirAll(filepath.Join(rootfs, "attack/twin"), 0o755),
		os.MkdirAll(filepath.Join(rootfs, "usr/share/apache2/empty"), 0o755),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// freshBackup empties the replica: it belongs to the bundle that was copied.
func freshBackup(t *testing.T, bundle string) {
	t.Helper()
	backup := filepath.Join(bundle, "backup")
	if err := os.RemoveAll(backup); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(backup, 0o755); err != nil {
		t.Fatal(err)
	}
}

func run(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v: %s", name, args, err, out)
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

func mountinfo(t *testing.T, pid string) string {
	t.Helper()
	text, err := os.ReadFile("/proc/" + pid + "/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// descriptions asks the attempts what each does.
func descriptions(t *testing.T, attempt string) map[string]string {
	t.Helper()
	out, err := exec.Command(attempt, "list").Output()
	if err != nil {
		t.Fatal(err)
	}
	about := map[string]string{}
	for _, l := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		name, text, _ := strings.Cut(l, "\t")
		about[name] = text
	}
	return about
}
