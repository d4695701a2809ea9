package replicafs

import (
	"bytes"
	"errors"
	"os"
	"sort"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"klw/replicafs/journal"
)

// ReadDir lists the names in the folder that fd (O_PATH will do) is, sorted.
func ReadDir(fd int) ([]string, error) {
	dir, err := unix.Openat(fd, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC|unix.O_NOATIME, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: Proc(fd), Err: err}
	}
	f := os.NewFile(uintptr(dir), "")
	defer f.Close()
	names, err := f.Readdirnames(-1)
	sort.Strings(names)
	return names, err
}

// OpenObject opens what name in dirfd is, itself (O_PATH): no link is followed, no mount point crossed.
func OpenObject(dirfd int, name string) (int, error) {
	return unix.Openat2(dirfd, name, &unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_NOFOLLOW | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_XDEV,
	})
}

// Proc gives a path that leads to what fd (O_PATH, perhaps of a symbolic link) is.
func Proc(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }

// Replicated tells whether an extended attribute is part of what is replicated: klw's own are not.
func Replicated(name string) bool { return !strings.HasPrefix(name, "trusted.klw.") }

// Xattrs reads the replicated extended attributes of the object that fd (O_PATH will do) is, sorted by name.
func Xattrs(fd int) ([]journal.Xattr, error) {
	names, err := getGrowing(func(b []byte) (int, error) { return unix.Listxattr(Proc(fd), b) })
	if errors.Is(err, unix.ENOTSUP) {
		return nil, nil
	}
	if err != nil {
		return nil, os.NewSyscallError("listxattr", err)
	}
	var list []journal.Xattr
	for _, raw := range bytes.Split(names, []byte{0}) {
		name := string(raw)
		if name == "" || !Replicated(name) {
			continue
		}
		value, err := Xattr(fd, name)
		if errors.Is(err, unix.ENODATA) {
			continue
		}
		if err != nil {
			return nil, os.NewSyscallError("getxattr "+name, err)
		}
		list = append(list, journal.Xattr{Name: name, Value: value})
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Name < list[j].Name })
	return list, nil
}

// Xattr reads one extended attribute.
func Xattr(fd int, name string) ([]byte, error) {
	return getGrowing(func(b []byte) (int, error) { return unix.Getxattr(Proc(fd), name, b) })
}

func getGrowing(get func([]byte) (int, error)) ([]byte, error) {
	b := make([]byte, 256)
	for {
		n, err := get(b)
		if errors.Is(err, unix.ERANGE) {
			b = make([]byte, max(2*len(b), 4096))
			continue
		}
		if err != nil {
			return nil, err
		}
		return b[:n], nil
	}
}

// Readlink reads the symbolic link that fd (O_PATH) is.
func Readlink(fd int) (string, error) {
	b := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(fd, "", b)
	if err != nil {
		return "", os.NewSyscallError("readlink", err)
	}
	return string(b[:n]), nil
}

// Attributes turns a stat into a record's.
func Attributes(st *unix.Stat_t) journal.Attr {
	return journal.Attr{
		Mode: st.Mode, UID: st.Uid, GID: st.Gid, Nlink: uint32(st.Nlink), Rdev: st.Rdev, Size: st.Size,
		Atime: Time(st.Atim), Mtime: Time(st.Mtim),
	}
}

// Time turns a timespec into a record's time.
func Time(t unix.Timespec) journal.Time { return journal.Time{Sec: t.Sec, Nsec: uint32(t.Nsec)} }
