package conformance

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/hanwen/go-fuse/v2/posixtest"
)

// TestPosix runs go-fuse's conformance suite on a native file system, and on each kind of view under a policy that
// allows everything.
func TestPosix(t *testing.T) {
	t.Run("native", func(t *testing.T) { posix(t, t.TempDir(), true) })
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			p := newPair(t, "native", t.TempDir(), k.options)
			if want := k.name == "passthrough"; p.shown.Passthrough() != want {
				t.Errorf("Passthrough() = %v, want %v", p.shown.Passthrough(), want)
			}
			posix(t, p.view, false)
		})
	}
}

func posix(t *testing.T, base string, native bool) {
	for name, run := range posixtest.All {
		if unfit[name] || native && aboutServers[name] {
			continue
		}
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(base, name)
			check(t, os.Mkdir(dir, 0o755))
			run(t, dir)
		})
	}
}

// unfit are tests of the suite that ext4 doesn't pass either.
var unfit = map[string]bool{
	"FcntlFlockLocksFile": true, // expects flock and fcntl locks to exclude each other
}

// aboutServers are tests of what only a server can do wrong; natively there is nobody who could be led elsewhere.
var aboutServers = map[string]bool{"OpenSymlinkRace": true}
