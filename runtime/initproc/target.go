package initproc

import (
	"errors"
	"path/filepath"
	"strings"

	securejoin "github.com/cyphar/filepath-securejoin"
	"golang.org/x/sys/unix"
)

// root is the container's root before it is entered: a descriptor, from which every name of the container is resolved
// inside (openat2, RESOLVE_IN_ROOT). The path only serves to follow links to what isn't there yet.
type root struct {
	fd   int
	path string
	// below is what lies under the view, if the root is one: where missing mount points are made that the guard
	// would refuse to make.
	below *root
}

// open resolves a name inside the root to a descriptor that only stands for the place.
func (r *root) open(name string) (int, error) {
	return r.resolve(name, unix.O_PATH, unix.RESOLVE_IN_ROOT|unix.RESOLVE_NO_MAGICLINKS)
}

// openPlain refuses symbolic links on the way.
func (r *root) openPlain(name string, flags int) (int, error) {
	return r.resolve(name, flags, unix.RESOLVE_IN_ROOT|unix.RESOLVE_NO_SYMLINKS)
}

func (r *root) resolve(name string, flags int, resolve uint64) (int, error) {
	how := &unix.OpenHow{Flags: uint64(flags | unix.O_CLOEXEC), Resolve: resolve}
	for {
		fd, err := unix.Openat2(r.fd, "./"+strings.TrimLeft(name, "/"), how)
		if err == unix.EINTR || err == unix.EAGAIN { // a rename on the host came in between
			continue
		}
		return fd, err
	}
}

// target gives the place for a mount, made if it is missing: a directory, or an empty file.
func (r *root) target(name string, dir bool) (int, error) {
	fd, err := r.open(name)
	if r.below != nil && refused(err) { // a link that the guard lets nobody read
		if name, err = r.below.follow(name); err == nil {
			fd, err = r.open(name)
		}
	}
	if err == nil || !errors.Is(err, unix.ENOENT) {
		return fd, err
	}
	err = r.make(name, dir)
	if err != nil && r.below != nil && refused(err) {
		if belowErr := r.below.make(name, dir); belowErr != nil {
			return -1, errors.Join(err, belowErr)
		}
		err = nil
	}
	if err != nil {
		return -1, err
	}
	return r.open(name)
}

func refused(err error) bool {
	return errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) || errors.Is(err, unix.EROFS)
}

func (r *root) make(name string, dir bool) error {
	name, err := r.follow(name)
	if err != nil {
		return err
	}
	parent := name
	if !dir {
		parent = filepath.Dir(name)
	}
	p, err := r.makeDir(parent)
	if err != nil {
		return err
	}
	defer unix.Close(p)
	if dir {
		return nil
	}
	flags := unix.O_CREAT | unix.O_EXCL | unix.O_NOFOLLOW | unix.O_CLOEXEC | unix.O_WRONLY
	fd, err := unix.Openat(p, filepath.Base(name), flags, 0o755)
	if err != nil {
		return err
	}
	return unix.Close(fd)
}

// follow resolves links to what doesn't exist. The answer is only a name: it is resolved inside the root once more.
func (r *root) follow(name string) (string, error) {
	full, err := securejoin.SecureJoin(r.path, name)
	if err != nil {
		return "", err
	}
	return "/" + strings.TrimPrefix(strings.TrimPrefix(full, r.path), "/"), nil
}

// makeDir makes a directory and those above it. It follows no links: they have been followed, and a new one on the way
// is somebody's attempt to lead it elsewhere.
func (r *root) makeDir(name string) (int, error) {
	const flags = unix.O_PATH | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	at, err := unix.FcntlInt(uintptr(r.fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	for _, part := range strings.Split(strings.Trim(filepath.Clean(name), "/"), "/") {
		if part == "" {
			break
		}
		made := unix.Mkdirat(at, part, 0o755)
		next, err := unix.Openat(at, part, flags, 0)
		unix.Close(at)
		if err == unix.ENOENT {
			err = made
		}
		if err != nil {
			return -1, err
		}
		at = next
	}
	return at, nil
}
