package conformance

import (
	"bufio"
	"encoding/gob"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const workerEnv = "KLW_CONFORMANCE_WORKER"

// job is what a worker does.
type job struct {
	Root   string
	Behind string // described when the steps are done, if not ""
	Steps  []step

	Scenes      bool   // play scenes instead
	Fill        fill   // or fill the file system
	Host, Other string // for scenes
}

// report is what a worker tells.
type report struct {
	Results []string
	Final   string // everything that can be seen
	Behind  string
	Scenes  map[string][]string // what each told
}

// worker does steps on a tree.
type worker struct {
	on    func(who int, f func())
	slots [slots]*open
	root  int // of the tree
	proc  int // /proc/self/fd
}

// patience is how long one step may take.
const patience = 60 * time.Second

func workerMain() {
	in := gob.NewDecoder(bufio.NewReader(os.Stdin))
	var j job
	demand("read the job", in.Decode(&j))
	w := &worker{}
	var err error
	w.proc, err = unix.Open("/proc/self/fd", unix.O_PATH|unix.O_CLOEXEC, 0)
	demand("open /proc/self/fd", err)
	if j.Scenes {
		w.on = threads()
		demand("tell", gob.NewEncoder(os.Stdout).Encode(report{Scenes: w.playAll(j)}))
		return
	}
	if j.Fill.By != "" {
		demand("chdir", unix.Chdir(j.Root))
		w.on = threads()
		demand("tell", gob.NewEncoder(os.Stdout).Encode(report{Results: w.fill(j.Fill)}))
		return
	}
	behind := -1
	if j.Behind != "" {
		behind, err = unix.Open(j.Behind, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		demand("open what is behind", err)
	}
	demand("chroot", unix.Chroot(j.Root))
	demand("chdir", unix.Chdir("/"))
	w.root, err = unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	demand("open the root", err)
	w.on = threads()
	r := w.do(j.Steps)
	w.on(0, func() { r.Final = w.describe() })
	if behind >= 0 {
		demand("chroot", unix.Fchdir(behind))
		demand("chroot", unix.Chroot("."))
		r.Behind = describeTree()
	}
	demand("tell", gob.NewEncoder(os.Stdout).Encode(r))
}

func (w *worker) do(steps []step) report {
	var r report
	var now atomic.Int64
	go func() {
		for last := int64(-1); ; time.Sleep(patience) {
			if n := now.Load(); n == last {
				panic(fmt.Sprintf("step %d hangs: %v", n, steps[n]))
			} else {
				last = n
			}
		}
	}()
	for i, s := range steps {
		now.Store(int64(i))
		var result string
		w.on(s.Who, func() { result = w.step(s) })
		r.Results = append(r.Results, result)
	}
	return r
}

// work runs a worker.
func work(t testing.TB, j job) report {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = []string{workerEnv + "=1", "GOMAXPROCS=1", "GOGC=off"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in, err := cmd.StdinPipe()
	check(t, err)
	out, err := cmd.StdoutPipe()
	check(t, err)
	var errs strings.Builder
	cmd.Stderr = &errs
	check(t, cmd.Start())
	check(t, gob.NewEncoder(in).Encode(j))
	check(t, in.Close())
	var r report
	bad := gob.NewDecoder(bufio.NewReader(out)).Decode(&r)
	if err := cmd.Wait(); err != nil || bad != nil {
		t.Fatalf("the worker: %v, %v\n%s", err, bad, errs.String())
	}
	return r
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
