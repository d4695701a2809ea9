// Package compare compares a source with its replica completely: names, types, modes, owners, modification times,
// targets, device numbers, extended attributes, hard links and contents.
//
// All compares while both may change, and only remembers what seemed to differ. Again looks at that once more, when
// the caller has made sure that nothing changes, and gives what differs for sure.
package compare

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"

	"golang.org/x/sys/unix"

	"klw/replicafs"
	"klw/replicafs/ops"
	"klw/replicafs/replica"
)

// Comparison is one comparison.
type Comparison struct {
	Objects int64 // in the source
	Bytes   int64 // contents that were compared

	source  int // descriptor of a folder
	replica string
	found   []ops.Difference
	links   map[ident]pair // objects of the source with several names
	buf     [2][]byte
}

type ident struct{ dev, ino uint64 }

// pair is the first name met of an object, and what the replica has there.
type pair struct {
	path string
	dst  ident
}

// New makes a comparison of the folder that the descriptor is with the replica at path.
func New(source int, replica string) *Comparison {
	return &Comparison{source: source, replica: replica, links: map[ident]pair{},
		buf: [2][]byte{make([]byte, 256<<10), make([]byte, 256<<10)}}
}

// All compares everything and remembers what seems to differ.
func (c *Comparison) All(ctx context.Context) error {
	dst, err := c.open()
	if err != nil {
		return err
	}
	defer unix.Close(dst)
	return c.both(ctx, c.source, dst, "")
}

func (c *Comparison) open() (int, error) {
	dst, err := unix.Open(c.replica, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open the replica %s: %w", c.replica, err)
	}
	return dst, nil
}

// Again compares what seemed to differ once more and gives what does.
func (c *Comparison) Again(ctx context.Context) ([]ops.Difference, error) {
	dst, err := c.open()
	if err != nil {
		return nil, err
	}
	defer unix.Close(dst)
	var paths []string
	for _, d := range c.found {
		paths = append(paths, d.Path)
	}
	slices.Sort(paths)
	paths = slices.Compact(paths)
	c.found, c.links = nil, map[ident]pair{}
	done := ""
	for _, p := range paths {
		if done != "" && (p == done || done == "/" || len(p) > len(done) && p[:len(done)+1] == done+"/") {
			continue
		}
		if done, err = c.one(ctx, dst, p); err != nil {
			return nil, err
		}
	}
	return c.found, nil
}

// one compares a path, and all below it if it is a folder that was missing before. It gives the path below which
// everything was compared.
func (c *Comparison) one(ctx context.Context, dst int, p string) (string, error) {
	rel := path.Clean("." + p)
	a, errA := openPath(c.source, rel)
	b, errB := openPath(dst, rel)
	defer closeAll(a, b)
	switch {
	case absent(errA) && absent(errB):
		return "", nil
	case absent(errB):
		c.differ(p, "missing", "", "")
		return p, nil
	case absent(errA):
		c.differ(p, "extra", "", "")
		return p, nil
	}
	if err := errors.Join(errA, errB); err != nil {
		return "", fmt.Errorf("%s: %w", p, err)
	}
	if rel == "." {
		return p, c.both(ctx, a, b, "")
	}
	return p, c.object(ctx, a, b, path.Join("/", rel))
}

func absent(err error) bool {
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP)
}

func closeAll(fds ...int) {
	for _, fd := range fds {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}

func openPath(dirfd int, rel string) (int, error) {
	return unix.Openat2(dirfd, rel, &unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_NOFOLLOW | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS,
	})
}

func (c *Comparison) differ(p, what, source, replica string) {
	c.found = append(c.found, ops.Difference{Path: p, What: what, Source: source, Destination: replica})
}

// both compares two folders with all below them.
func (c *Comparison) both(ctx context.Context, src, dst int, p string) error {
	c.Objects++
	if err := c.attributes(src, dst, path.Join("/", p)); err != nil {
		return err
	}
	names, err := replicafs.ReadDir(src)
	if err != nil {
		return err
	}
	have, err := replicafs.ReadDir(dst)
	if err != nil {
		return err
	}
	for _, name := range have {
		if p == "" && (name == replica.Hidden || name == "lost+found") {
			continue
		}
		if _, ok := slices.BinarySearch(names, name); !ok {
			c.differ(path.Join("/", p, name), "extra", "", "")
		}
	}
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := c.child(ctx, src, dst, p, name); err != nil {
			return fmt.Errorf("%s: %w", path.Join("/", p, name), err)
		}
	}
	return nil
}

func (c *Comparison) child(ctx context.Context, src, dst int, p, name string) error {
	full := path.Join("/", p, name)
	a, err := replicafs.OpenObject(src, name)
	if errors.Is(err, unix.EXDEV) {
		return nil
	}
	if absent(err) {
		c.differ(full, "extra", "", "")
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(a)
	b, err := replicafs.OpenObject(dst, name)
	if absent(err) {
		c.differ(full, "missing", "", "")
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(b)
	return c.object(ctx, a, b, full)
}

func (c *Comparison) object(ctx context.Context, a, b int, full string) error {
	var sa, sb unix.Stat_t
	if err := errors.Join(fstat(a, &sa), fstat(b, &sb)); err != nil {
		return err
	}
	if sa.Mode&unix.S_IFMT != sb.Mode&unix.S_IFMT {
		c.Objects++
		c.differ(full, "type", typeName(sa.Mode), typeName(sb.Mode))
		return nil
	}
	if sa.Mode&unix.S_IFMT == unix.S_IFDIR {
		return c.both(ctx, a, b, full)
	}
	c.Objects++
	if err := c.attributes(a, b, full); err != nil {
		return err
	}
	c.hardLinks(&sa, &sb, full)
	switch sa.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		return c.contents(ctx, a, b, &sa, &sb, full)
	case unix.S_IFLNK:
		return c.targets(a, b, full)
	}
	if sa.Rdev != sb.Rdev {
		c.differ(full, "device", fmt.Sprintf("%#x", sa.Rdev), fmt.Sprintf("%#x", sb.Rdev))
	}
	return nil
}

func fstat(fd int, st *unix.Stat_t) error { return unix.Fstatat(fd, "", st, unix.AT_EMPTY_PATH) }

func typeName(mode uint32) string {
	switch mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return "directory"
	case unix.S_IFREG:
		return "file"
	case unix.S_IFLNK:
		return "symbolic link"
	case unix.S_IFIFO:
		return "fifo"
	case unix.S_IFSOCK:
		return "socket"
	}
	return "device"
}

// hardLinks checks that names of one object are names of one object in the replica.
func (c *Comparison) hardLinks(sa, sb *unix.Stat_t, full string) {
	if sa.Nlink != sb.Nlink {
		c.differ(full, "links", fmt.Sprint(sa.Nlink), fmt.Sprint(sb.Nlink))
	}
	if sa.Nlink < 2 {
		return
	}
	src, dst := ident{sa.Dev, sa.Ino}, ident{sb.Dev, sb.Ino}
	first, met := c.links[src]
	if !met {
		c.links[src] = pair{full, dst}
		return
	}
	if first.dst != dst {
		c.differ(full, "links", "same file as "+first.path, "another file")
		c.differ(first.path, "links", "same file as "+full, "another file")
	}
}

func (c *Comparison) targets(a, b int, full string) error {
	ta, errA := replicafs.Readlink(a)
	tb, errB := replicafs.Readlink(b)
	if err := errors.Join(errA, errB); err != nil {
		return err
	}
	if ta != tb {
		c.differ(full, "target", ta, tb)
	}
	return nil
}

// contents compares byte by byte.
func (c *Comparison) contents(ctx context.Context, a, b int, sa, sb *unix.Stat_t, full string) error {
	if sa.Size != sb.Size {
		c.differ(full, "size", fmt.Sprint(sa.Size), fmt.Sprint(sb.Size))
		return nil
	}
	fa, errA := unix.Open(replicafs.Proc(a), unix.O_RDONLY|unix.O_NOATIME|unix.O_CLOEXEC, 0)
	fb, errB := unix.Open(replicafs.Proc(b), unix.O_RDONLY|unix.O_NOATIME|unix.O_CLOEXEC, 0)
	defer closeAll(fa, fb)
	if err := errors.Join(errA, errB); err != nil {
		return err
	}
	for off := int64(0); off < sa.Size; {
		if err := ctx.Err(); err != nil {
			return err
		}
		na, errA := unix.Pread(fa, c.buf[0], off)
		nb, errB := unix.Pread(fb, c.buf[1], off)
		if err := errors.Join(errA, errB); err != nil {
			return err
		}
		if na != nb || !bytes.Equal(c.buf[0][:na], c.buf[1][:nb]) {
			c.differ(full, "content", "", "")
			return nil
		}
		if na == 0 {
			return nil
		}
		off += int64(na)
		c.Bytes += int64(na)
	}
	return nil
}
