package view

import (
	"os"
	"testing"

	"github.com/hanwen/go-fuse/v2/posixtest"
)

// TestPosix runs go-fuse's conformance suite over each kind of view.
func TestPosix(t *testing.T) {
	for name, o := range map[string]Options{
		"passthrough": {},
		"without":     {noPassthrough: true},
		"cached":      {Cached: true},
		"ordered":     {Cached: true, Ordered: true},
	} {
		t.Run(name, func(t *testing.T) {
			m := attach(t, newServer(t), o)
			if want := name == "passthrough"; m.Passthrough() != want {
				t.Errorf("Passthrough() = %v, want %v", m.Passthrough(), want)
			}
			for test, run := range posixtest.All {
				if unfit[test] {
					continue
				}
				t.Run(test, func(t *testing.T) {
					dir := m.path(test)
					must(t, os.Mkdir(dir, 0o755))
					run(t, dir)
				})
			}
		})
	}
}

// unfit are tests of the suite that its own loopback file system and ext4 don't pass either.
var unfit = map[string]bool{
	"FcntlFlockLocksFile": true, // expects flock and fcntl locks to exclude each other
}
