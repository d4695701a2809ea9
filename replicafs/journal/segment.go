package journal

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	segmentMagic  = "KLWSEGM1"
	segmentHeader = 64
	segmentSuffix = ".seg"
	sparePrefix   = "spare-"
	// MinSegment is the smallest segment size. A segment may leave room for a little less than one record unused.
	MinSegment = 4 << 20
	// DefaultSegment is the usual size.
	DefaultSegment = 16 << 20
)

// header is the start of a segment.
type header struct {
	Epoch uint64
	First uint64 // number of its first record
	Prev  uint32 // checksum of the record before
}

func (h header) encode() []byte {
	b := make([]byte, segmentHeader)
	le := binary.LittleEndian
	copy(b, segmentMagic)
	le.PutUint32(b[8:], Version)
	le.PutUint32(b[12:], h.Prev)
	le.PutUint64(b[16:], h.Epoch)
	le.PutUint64(b[24:], h.First)
	le.PutUint32(b[60:], crc32.Checksum(b[:60], castagnoli))
	return b
}

func decodeHeader(b []byte) (header, error) {
	le := binary.LittleEndian
	if len(b) < segmentHeader || string(b[:8]) != segmentMagic {
		return header{}, fmt.Errorf("not a journal segment")
	}
	if le.Uint32(b[60:]) != crc32.Checksum(b[:60], castagnoli) {
		return header{}, fmt.Errorf("the segment's header is damaged")
	}
	if v := le.Uint32(b[8:]); v != Version {
		return header{}, fmt.Errorf("%w: %d", errVers, v)
	}
	return header{Prev: le.Uint32(b[12:]), Epoch: le.Uint64(b[16:]), First: le.Uint64(b[24:])}, nil
}

func segmentName(first uint64) string { return fmt.Sprintf("%020d%s", first, segmentSuffix) }

// listSegments gives the numbers of the first records, ascending.
func listSegments(dir string) ([]uint64, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var firsts []uint64
	for _, e := range entries {
		text, ok := strings.CutSuffix(e.Name(), segmentSuffix)
		if !ok || strings.HasPrefix(text, sparePrefix) {
			continue
		}
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%s is not a segment's name", e.Name())
		}
		firsts = append(firsts, n)
	}
	sort.Slice(firsts, func(i, j int) bool { return firsts[i] < firsts[j] })
	return firsts, nil
}

func removeSpares(dir string) error {
	spares, err := filepath.Glob(filepath.Join(dir, sparePrefix+"*"))
	if err != nil {
		return err
	}
	for _, s := range spares {
		if err := os.Remove(s); err != nil {
			return err
		}
	}
	return nil
}

// allocateFile makes a file all of whose space is allocated.
func allocateFile(path string, size int64) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	err = unix.Fallocate(int(f.Fd()), 0, 0, size)
	if err == nil {
		err = f.Close()
	} else {
		f.Close()
	}
	if err != nil {
		os.Remove(path)
		return &os.PathError{Op: "allocate", Path: path, Err: err}
	}
	return nil
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
