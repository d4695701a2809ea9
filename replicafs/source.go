package replicafs

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Source is the replicated folder itself, below all mounts: a private copy of its mount. It is what first copies read.
type Source struct {
	FD int // a directory, opened for reading
}

// OpenSource opens the folder at path. What is mounted below it is not part of it.
func OpenSource(path string) (*Source, error) {
	tree, err := unix.OpenTree(unix.AT_FDCWD, path, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("open the source %s: %w", path, err)
	}
	defer unix.Close(tree)
	fd, err := unix.Openat(tree, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open the source %s: %w", path, err)
	}
	return &Source{FD: fd}, nil
}

// Close gives the folder up.
func (s *Source) Close() error { return unix.Close(s.FD) }

// Locator finds a file of the source again: by its handle where the file system has such, else by its path.
type Locator struct {
	Dev, Ino uint64
	Path     string
	Handle   *unix.FileHandle
}

// Locate makes the locator of the object that fd (O_PATH will do) is.
func Locate(fd int, path string, st *unix.Stat_t) Locator {
	l := Locator{Dev: st.Dev, Ino: st.Ino, Path: path}
	if h, _, err := unix.NameToHandleAt(fd, "", unix.AT_EMPTY_PATH); err == nil {
		l.Handle = &h
	}
	return l
}

// Encode packs the locator, but for Path, for a Fetch record.
func (l Locator) Encode() []byte {
	b := binary.LittleEndian.AppendUint64(nil, l.Dev)
	b = binary.LittleEndian.AppendUint64(b, l.Ino)
	if l.Handle != nil {
		b = binary.LittleEndian.AppendUint32(b, uint32(l.Handle.Type()))
		b = append(b, l.Handle.Bytes()...)
	}
	return b
}

// DecodeLocator unpacks it.
func DecodeLocator(path string, b []byte) (Locator, error) {
	if len(b) < 16 {
		return Locator{}, errors.New("a locator is too short")
	}
	l := Locator{Dev: binary.LittleEndian.Uint64(b), Ino: binary.LittleEndian.Uint64(b[8:]), Path: path}
	if len(b) >= 20 {
		h := unix.NewFileHandle(int32(binary.LittleEndian.Uint32(b[16:])), b[20:])
		l.Handle = &h
	}
	return l, nil
}

// ErrGone means that the object a locator names doesn't exist any more.
var ErrGone = errors.New("not in the source any more")

const readFlags = unix.O_RDONLY | unix.O_NOATIME | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_CLOEXEC

// Open opens the file that l names to read it. The caller closes it.
func (s *Source) Open(l Locator) (int, error) {
	if l.Handle != nil {
		fd, err := unix.OpenByHandleAt(s.FD, *l.Handle, readFlags)
		if err == nil {
			return s.checked(fd, l)
		}
		if errors.Is(err, unix.ESTALE) {
			return -1, ErrGone
		}
		if !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.EPERM) {
			return -1, fmt.Errorf("open by handle: %w", err)
		}
	}
	fd, err := unix.Openat2(s.FD, l.Path, &unix.OpenHow{Flags: readFlags,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS})
	if err == nil {
		if fd, err = s.checked(fd, l); err == nil {
			return fd, nil
		}
	}
	return s.search(s.FD, l)
}

func (s *Source) checked(fd int, l Locator) (int, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Dev != l.Dev || st.Ino != l.Ino || st.Mode&unix.S_IFMT != unix.S_IFREG {
		unix.Close(fd)
		return -1, ErrGone
	}
	return fd, nil
}

// search looks for a file that was moved, where there are no handles.
func (s *Source) search(dir int, l Locator) (int, error) {
	entries, err := ReadDir(dir)
	if err != nil {
		return -1, err
	}
	for _, name := range entries {
		var st unix.Stat_t
		if unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW) != nil {
			continue
		}
		isDir := st.Mode&unix.S_IFMT == unix.S_IFDIR
		if !isDir && (st.Dev != l.Dev || st.Ino != l.Ino) {
			continue
		}
		flags := readFlags
		if isDir {
			flags |= unix.O_DIRECTORY
		}
		fd, err := unix.Openat(dir, name, flags, 0)
		if err != nil {
			continue
		}
		if !isDir {
			return s.checked(fd, l)
		}
		found, err := s.search(fd, l)
		unix.Close(fd)
		if !errors.Is(err, ErrGone) {
			return found, err
		}
	}
	return -1, ErrGone
}
