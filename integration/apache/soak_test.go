package apache

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// soakTime is how long random tests go on: KLW_SOAK, or a few seconds.
func soakTime(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv("KLW_SOAK")
	if text == "" {
		return 5 * time.Second
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("KLW_SOAK: %v", err)
	}
	return d
}

// The web master works, clients ask, and any of our processes are killed at any moment: nothing is left after delete,
// and the next run has a replica that equals its source.
func TestSoakKill(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	b := newBox(t)
	rounds := 0
	for end := time.Now().Add(soakTime(t)); time.Now().Before(end) && !t.Failed(); rounds++ {
		r := b.run()
		b.ok(b.ctl("replica", "verify", b.path("site")))
		rep := b.replica()
		victims := map[string]int{
			"klw-guard": b.status().PID, "klw-replicafs": rep.PID, "klw-replica": rep.Applier, "klw-runc": r.cmd.Process.Pid, "apache2": b.state().Pid,
		}
		stop := make(chan struct{})
		var work sync.WaitGroup
		webmaster := rand.New(rand.NewPCG(random.Uint64(), 0))
		work.Go(func() { b.edit(webmaster, stop) })
		time.Sleep(time.Duration(random.IntN(200)) * time.Millisecond)
		killed := ""
		for name, pid := range victims {
			if random.IntN(3) == 0 {
				killed += " " + name
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		time.Sleep(time.Duration(random.IntN(50)) * time.Millisecond)
		close(stop)
		work.Wait()
		b.delete()
		r.wait()
		b.nothingLeft()
		if t.Failed() {
			t.Logf("round %d, killed:%s", rounds, killed)
		}
	}
	t.Logf("%d rounds", rounds)
}

// edit works on the site until it is stopped. Failures are no matter: the file system may have lost its server.
func (b *box) edit(random *rand.Rand, stop chan struct{}) {
	for {
		select {
		case <-stop:
			return
		default:
		}
		name := b.path(fmt.Sprintf("site/%d.html", random.IntN(20)))
		switch random.IntN(5) {
		case 0:
			_ = os.Remove(name)
		case 1:
			_ = os.Rename(name, b.path(fmt.Sprintf("site/%d.html", random.IntN(20))))
		case 2:
			_ = os.Chmod(name, 0o644)
		default:
			_ = os.WriteFile(name, []byte(strings.Repeat("x", random.IntN(20000))), 0o644)
		}
		b.get("/")
	}
}
