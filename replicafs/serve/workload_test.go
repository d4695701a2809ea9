package serve_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// workerEnv makes the test program a worker: it carries out the steps that it reads as JSON in the folder named.
const workerEnv = "KLW_TEST_WORKER"

// step is one operation of a random workload. What it meets is up to the other workers: errors are expected.
type step struct {
	Op   string
	A, B string
	N    int
}

var stepOps = []string{"create", "write", "write", "append", "truncate", "mkdir", "rmdir", "unlink", "rename", "rename", "exchange",
	"link", "symlink", "chmod", "xattr", "utimes", "hold", "fallocate", "copy"}

func drawSteps(rt *rapid.T, label string) []step {
	name := rapid.SampledFrom([]string{"a", "b", "c", "d/a", "d/b", "d/e/a", "d/e", "d", "f", "f/a", "f/e"})
	return rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) step {
		return step{rapid.SampledFrom(stepOps).Draw(rt, "op"), name.Draw(rt, "a"), name.Draw(rt, "b"),
			rapid.IntRange(0, 9000).Draw(rt, "n")}
	}), 150, 250).Draw(rt, label)
}

// work is the worker's main.
func work() {
	unix.Umask(0)
	dir := os.Getenv(workerEnv)
	var steps []step
	if err := json.NewDecoder(os.Stdin).Decode(&steps); err != nil {
		panic(err)
	}
	var held []*os.File
	for _, s := range steps {
		if f := carryOut(s, filepath.Join(dir, s.A), filepath.Join(dir, s.B)); f != nil {
			held = append(held, f)
		}
		if len(held) > 5 {
			held[0].WriteString("last words")
			held[0].Close()
			held = held[1:]
		}
	}
}

func carryOut(s step, a, b string) (held *os.File) {
	switch s.Op {
	case "create":
		os.WriteFile(a, []byte(strings.Repeat("c", s.N)), os.FileMode(s.N&0o777)|0o600)
	case "write":
		pwrite(a, strings.Repeat("w", s.N%500), int64(s.N), 0)
	case "append":
		pwrite(a, "appended", 0, unix.O_APPEND)
	case "truncate":
		os.Truncate(a, int64(s.N))
	case "mkdir":
		os.Mkdir(a, 0o755)
	case "rmdir":
		unix.Rmdir(a)
	case "unlink":
		unix.Unlink(a)
	case "rename":
		os.Rename(a, b)
	case "exchange":
		exchange(a, b)
	case "link":
		os.Link(a, b)
	case "symlink":
		os.Symlink(b, a)
	case "chmod":
		unix.Fchmodat(unix.AT_FDCWD, a, uint32(s.N&0o7777)|0o700, 0)
	case "xattr":
		unix.Lsetxattr(a, "user.n", []byte(b), 0)
	case "utimes":
		unix.UtimesNanoAt(unix.AT_FDCWD, a, []unix.Timespec{{Sec: int64(s.N)}, {Sec: int64(s.N)}}, unix.AT_SYMLINK_NOFOLLOW)
	case "hold":
		held, _ = os.OpenFile(a, os.O_RDWR|unix.O_NOFOLLOW, 0)
	case "fallocate":
		fallocate(a, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, int64(s.N), 5000)
	case "copy":
		copyRange(a, b, 100)
	}
	return held
}

// startWorkers lets several processes work in dir. The result waits for them.
func startWorkers(t interface{ Fatal(...any) }, dir string, lists ...[]step) (wait func()) {
	var cmds []*exec.Cmd
	for _, steps := range lists {
		b, err := json.Marshal(steps)
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("/proc/self/exe")
		cmd.Env = append(os.Environ(), workerEnv+"="+dir)
		cmd.Stdin = strings.NewReader(string(b))
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		cmds = append(cmds, cmd)
	}
	return func() {
		for _, cmd := range cmds {
			if err := cmd.Wait(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestRandomWorkload: several processes do random things in one folder; the replica ends equal.
func TestRandomWorkload(t *testing.T) {
	p := replicate(t, nil)
	round := 0
	rapid.Check(t, func(rt *rapid.T) {
		if round++; round > 12 {
			return
		}
		startWorkers(rt, p.mnt, drawSteps(rt, "one"), drawSteps(rt, "two"), drawSteps(rt, "three"))()
		p.settle()
		if p.same(); t.Failed() {
			rt.FailNow()
		}
	})
	if st := p.status(); st.Sequence < 500 || st.Resyncs > 0 || st.Restarts > 0 {
		t.Errorf("%+v\n%s", st, p.log())
	}
}
