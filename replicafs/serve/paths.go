package serve

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/moby/sys/mountinfo"
)

// paths are the three places of a replication, absolute and without symbolic links.
type paths struct {
	source, mountpoint, destination string
}

// resolve makes the paths real, and the destination if it doesn't exist. A dead predecessor's mount is taken away.
func resolve(source, mountpoint, destination string) (p paths, err error) {
	for _, path := range []string{source, mountpoint} {
		if err := bury(path); err != nil {
			return p, err
		}
	}
	if p.source, err = folder(source); err != nil {
		return p, fmt.Errorf("source: %w", err)
	}
	if p.mountpoint, err = folder(mountpoint); err != nil {
		return p, fmt.Errorf("mount point: %w", err)
	}
	if err := os.MkdirAll(destination, 0o755); err != nil {
		return p, fmt.Errorf("destination: %w", err)
	}
	if p.destination, err = folder(destination); err != nil {
		return p, fmt.Errorf("destination: %w", err)
	}
	return p, p.check()
}

func folder(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	if abs, err = filepath.EvalSymlinks(abs); err != nil {
		return "", err
	}
	info, err := os.Stat(abs)
	if err != nil {
		return "", err
	}
	if !info.IsDir() {
		return "", fmt.Errorf("%s is not a folder", path)
	}
	return abs, nil
}

// check refuses places that are inside each other.
func (p paths) check() error {
	for _, c := range []struct {
		inner, outer, what string
	}{
		{p.destination, p.source, "the destination is inside the source"},
		{p.source, p.destination, "the source is inside the destination"},
		{p.destination, p.mountpoint, "the destination is inside the mount point"},
		{p.mountpoint, p.destination, "the mount point is inside the destination"},
	} {
		in, err := inside(c.inner, c.outer)
		if err != nil {
			return err
		}
		if in {
			return fmt.Errorf("%s (%s, %s): use a folder elsewhere", c.what, c.inner, c.outer)
		}
	}
	return nil
}

// inside tells whether inner is outer or below it, by name or, through bind mounts, by identity.
func inside(inner, outer string) (bool, error) {
	if inner == outer || strings.HasPrefix(inner, strings.TrimSuffix(outer, "/")+"/") {
		return true, nil
	}
	var want unix.Stat_t
	if err := unix.Stat(outer, &want); err != nil {
		return false, fmt.Errorf("%s: %w", outer, err)
	}
	for dir := inner; ; dir = filepath.Dir(dir) {
		var st unix.Stat_t
		if err := unix.Stat(dir, &st); err != nil {
			return false, fmt.Errorf("%s: %w", dir, err)
		}
		if st.Dev == want.Dev && st.Ino == want.Ino {
			return true, nil
		}
		if dir == "/" {
			return false, nil
		}
	}
}

// bury detaches a mount of ours whose server is dead.
func bury(path string) error {
	for range 16 {
		var fs unix.Statfs_t // attributes might be answered from a cache
		if err := unix.Statfs(path, &fs); !errors.Is(err, unix.ENOTCONN) {
			return nil
		}
		abs, err := filepath.Abs(path)
		if err != nil {
			return err
		}
		mounts, err := mountinfo.GetMounts(mountinfo.SingleEntryFilter(abs))
		if err != nil {
			return fmt.Errorf("look for a dead mount: %w", err)
		}
		if len(mounts) == 0 || !strings.HasPrefix(mounts[0].FSType, "fuse.klw") {
			return fmt.Errorf("%s: a file system there is dead, and it is not ours: unmount it", path)
		}
		if err := unix.Unmount(abs, unix.MNT_DETACH); err != nil {
			return fmt.Errorf("unmount the dead mount on %s: %w", path, err)
		}
	}
	return fmt.Errorf("%s: too many dead mounts", path)
}
