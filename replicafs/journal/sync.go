package journal

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Sync returns when the records up to seq are on disk. Calls that come while one is writing wait for the next write
// together.
func (w *Writer) Sync(seq uint64) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.synced < seq {
		if w.broken != nil {
			return w.broken
		}
		if w.syncing {
			w.done.Wait()
			continue
		}
		if err := w.syncNow(); err != nil {
			w.broken = fmt.Errorf("bring the journal to disk: %w", err)
			return w.broken
		}
	}
	return nil
}

// syncNow is called with mu held, and gives it up while it writes.
func (w *Writer) syncNow() error {
	upTo, cur, full, newName := w.seq, w.cur, w.dirty, w.newName
	w.dirty, w.newName, w.syncing = nil, false, true
	w.mu.Unlock()
	err := syncFiles(full, cur)
	if err == nil && newName {
		err = syncDir(w.dir)
	}
	w.mu.Lock()
	w.syncing = false
	if err == nil {
		w.synced = upTo
	}
	w.done.Broadcast()
	return err
}

// syncFiles brings files to disk. The full ones are not needed any more.
func syncFiles(full []*os.File, cur *os.File) error {
	var first error
	for _, f := range full {
		if err := unix.Fdatasync(int(f.Fd())); err != nil && first == nil {
			first = err
		}
		f.Close()
	}
	if cur != nil {
		if err := unix.Fdatasync(int(cur.Fd())); err != nil && first == nil {
			first = err
		}
	}
	return first
}
