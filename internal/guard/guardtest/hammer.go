package guardtest

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// hammering is what the application does all the time, besides what it is told: nothing of it may fail.
type hammering struct {
	stop    atomic.Bool
	workers sync.WaitGroup
	done    atomic.Int64
	failed  atomic.Pointer[string] // the first failure
}

var hammer *hammering

// performHammer starts and ends it. ok is false for other commands.
func performHammer(command string, path func(string) string, args []string) (answer string, ok bool) {
	switch command {
	case "hammer": // FOLDER FILE ADDRESS: names are made in the folder, the file is read, the address refuses connections
		hammer = &hammering{}
		hammer.begin(path(args[0]), path(args[1]), args[2])
		return "ok", true
	case "hammered": // operations since hammer, or the first failure
		hammer.stop.Store(true)
		hammer.workers.Wait()
		if f := hammer.failed.Load(); f != nil {
			return *f, true
		}
		return strconv.FormatInt(hammer.done.Load(), 10), true
	}
	return "", false
}

func (h *hammering) begin(folder, file, address string) {
	for i := range 2 {
		own := filepath.Join(folder, fmt.Sprint("worker", i))
		h.work("read", func() error { _, err := os.ReadFile(file); return err })
		h.work("change names", func() error { return changeNames(own) })
	}
	h.work("connect", func() error {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
		}
		if errnoOf(err) == unix.ErrnoName(unix.ECONNREFUSED) {
			return nil
		}
		return err
	})
}

func (h *hammering) work(what string, do func() error) {
	h.workers.Go(func() {
		for !h.stop.Load() {
			if err := do(); err != nil {
				text := strings.ReplaceAll(what+": "+err.Error(), "\n", " ")
				h.failed.CompareAndSwap(nil, &text)
				return
			}
			h.done.Add(1)
		}
	})
}

// changeNames makes, writes, renames, lists, reads and removes.
func changeNames(own string) error {
	for _, do := range []func() error{
		func() error { return os.Mkdir(own, 0o700) },
		func() error { return os.WriteFile(own+"/new", []byte("text"), 0o600) },
		func() error { return os.Rename(own+"/new", own+"/old") },
		func() error { return os.Symlink("old", own+"/link") },
		func() error { _, err := os.ReadDir(own); return err },
		func() error { _, err := os.ReadFile(own + "/link"); return err },
		func() error { return os.Truncate(own+"/old", 1) },
		func() error { return os.RemoveAll(own) },
	} {
		if err := do(); err != nil {
			return err
		}
	}
	return nil
}
