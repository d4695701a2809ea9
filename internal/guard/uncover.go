package guard

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"klw/internal/handshake"
	"klw/internal/inode"
)

// cleanReplicas ends what replications a killed guard left: in good order first, then hard, then their mounts.
func cleanReplicas(ctx context.Context, list []handshake.Replica) error {
	var all error
	for _, r := range list {
		if err := endProcess(ctx, r.Process, drainTime); err != nil {
			all = errors.Join(all, fmt.Errorf("end the replication of %s: %w", r.Source, err))
			continue
		}
		all = errors.Join(all, uncover(r.Source, r.Inode))
	}
	return all
}

// uncover takes klw's mounts away that lie over a folder whose own identity is key.
func uncover(source string, key inode.Key) error {
	for range 16 { // no more of them can be ours
		n, err := covers(source)
		if err != nil || n == 0 {
			return err
		}
		// A dead server's mount can't be asked what it is; whatever answers with the folder's own identity isn't one.
		if now, err := identify(source); err == nil && now == key {
			return nil
		}
		if err := unix.Unmount(source, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err != nil {
			return fmt.Errorf("unmount the replication of %s: %w", source, err)
		}
	}
	return nil
}

// covers counts klw's file systems that are mounted on a path.
func covers(path string) (int, error) {
	path = filepath.Clean(path)
	list, err := mountinfo.GetMounts(func(m *mountinfo.Info) (skip, stop bool) {
		return m.Mountpoint != path || !strings.HasPrefix(m.FSType, "fuse.klw"), false
	})
	return len(list), err
}
