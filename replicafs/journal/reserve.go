package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Reserve makes sure that n bytes (sums of Size) can be appended. It answers ErrFull, at once, if the disk has no room.
func (w *Writer) Reserve(n int) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.broken != nil {
		return w.broken
	}
	for w.room() < w.reserved+int64(n) {
		err := w.addSpare()
		if isFull(err) {
			return fmt.Errorf("%w: %w", ErrFull, err)
		}
		if err != nil {
			return err
		}
	}
	w.reserved += int64(n)
	return nil
}

// Hold reserves n bytes more out of a reservation that the caller has and is about to release.
func (w *Writer) Hold(n int) {
	w.mu.Lock()
	w.reserved += int64(n)
	w.mu.Unlock()
}

// Release gives a reservation back, whether it was used or not.
func (w *Writer) Release(n int) {
	w.mu.Lock()
	w.reserved -= int64(n)
	w.mu.Unlock()
}

// room is what can be appended for sure: each segment may leave the room of one record unused at its end.
func (w *Writer) room() int64 {
	room := max(0, w.size-w.pos-MaxRecord)
	return room + int64(len(w.spares))*(w.size-segmentHeader-MaxRecord)
}

// Trim gives up the segments that hold only records up to seq. The current segment always stays.
func (w *Writer) Trim(seq uint64) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.segments) > 1 && w.segments[1] <= seq+1 {
		path := filepath.Join(w.dir, segmentName(w.segments[0]))
		if err := w.recycle(path); err != nil {
			return fmt.Errorf("trim the journal: %w", err)
		}
		w.segments = w.segments[1:]
	}
	return nil
}

// keepSpares is how many segments wait to be used again.
const keepSpares = 2

func (w *Writer) recycle(path string) error {
	if len(w.spares) >= keepSpares {
		return os.Remove(path)
	}
	w.spareNr++
	spare := filepath.Join(w.dir, fmt.Sprintf("%s%d", sparePrefix, w.spareNr))
	if err := os.Rename(path, spare); err != nil {
		return err
	}
	w.spares = append(w.spares, spare)
	return nil
}

func isFull(err error) bool { return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) }
