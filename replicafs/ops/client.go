package ops

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"klw/internal/control"
	"klw/internal/layout"
	"klw/replicafs"
)

// ErrNotReplicated means that a source has no replication.
var ErrNotReplicated = errors.New("not replicated")

// find gives the folder of a source's replication. The source is the path of the source or the mount point, or the
// replication's name.
func find(root layout.Root, source string) (replicafs.Folder, replicafs.Config, error) {
	if f := replicafs.Folder(filepath.Join(root.Replicas(), source)); !strings.Contains(source, "/") {
		if c, err := readConfig(f); err == nil {
			return f, c, nil
		}
	}
	abs, err := filepath.Abs(source)
	if err != nil {
		return "", replicafs.Config{}, err
	}
	if real, err := filepath.EvalSymlinks(abs); err == nil {
		abs = real
	}
	all, err := folders(root)
	if err != nil {
		return "", replicafs.Config{}, err
	}
	for _, f := range all {
		if c, err := readConfig(f); err == nil && (c.Source == abs || c.Mountpoint == abs) {
			return f, c, nil
		}
	}
	return "", replicafs.Config{}, fmt.Errorf("%s: %w", source, ErrNotReplicated)
}

func folders(root layout.Root) ([]replicafs.Folder, error) {
	entries, err := os.ReadDir(root.Replicas())
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var all []replicafs.Folder
	for _, e := range entries {
		if e.IsDir() {
			all = append(all, replicafs.Folder(filepath.Join(root.Replicas(), e.Name())))
		}
	}
	return all, nil
}

func readConfig(f replicafs.Folder) (c replicafs.Config, err error) {
	b, err := os.ReadFile(f.Config())
	if err != nil {
		return c, err
	}
	return c, json.Unmarshal(b, &c)
}

// running tells whether a klw-replicafs holds the folder.
func running(f replicafs.Folder) bool {
	lock, err := os.Open(f.Lock())
	if err != nil {
		return false
	}
	defer lock.Close()
	return errors.Is(unix.Flock(int(lock.Fd()), unix.LOCK_SH|unix.LOCK_NB), unix.EWOULDBLOCK)
}

func call(ctx context.Context, f replicafs.Folder, method string, result any) error {
	c, err := control.Dial(ctx, f.Control())
	if err != nil {
		return err
	}
	defer c.Close()
	return c.Call(ctx, method, nil, result)
}

// StatusAll gives the status of every replication of the root, running or not.
func StatusAll(ctx context.Context, root layout.Root) ([]Status, error) {
	all, err := folders(root)
	if err != nil {
		return nil, fmt.Errorf("list the replications: %w", err)
	}
	list := []Status{}
	for _, f := range all {
		c, err := readConfig(f)
		if err != nil {
			continue // not started yet
		}
		list = append(list, status(ctx, f, c))
	}
	return list, nil
}

// StatusOf gives the status of one.
func StatusOf(ctx context.Context, root layout.Root, source string) (Status, error) {
	f, c, err := find(root, source)
	if err != nil {
		return Status{}, err
	}
	return status(ctx, f, c), nil
}

func status(ctx context.Context, f replicafs.Folder, c replicafs.Config) Status {
	st := Status{Name: f.Name(), Source: c.Source, Mountpoint: c.Mountpoint, Destination: c.Destination, Ack: Ack(c.Ack)}
	if !running(f) {
		st.State = "dead"
		if _, err := os.Stat(f.Clean()); err == nil {
			st.State = "stopped"
		}
		return st
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var live Status
	err := call(ctx, f, control.MethodReplicaStatus, &live)
	if err == nil {
		return live
	}
	time.Sleep(100 * time.Millisecond) // it may be dying
	if !running(f) {
		st.State = "dead"
		return st
	}
	st.State = "starting"
	if !errors.Is(err, control.ErrNotRunning) {
		st.State, st.Error = "failed", err.Error()
	}
	return st
}

// Unmount ends a replication in good order: what was written is on the replica's disk when it returns. A dead one's
// mount is taken away.
func Unmount(ctx context.Context, root layout.Root, source string) error {
	f, c, err := find(root, source)
	if err != nil {
		return err
	}
	if !running(f) {
		return unmountDead(c)
	}
	if err := call(ctx, f, MethodStop, nil); err != nil {
		return fmt.Errorf("ask the replication to end: %w", err)
	}
	for running(f) {
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the replication to end: %w", ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
	if _, err := os.Stat(f.Clean()); err != nil {
		return fmt.Errorf("the replication didn't end in good order, see %s; the next start compares everything", f.Log())
	}
	return nil
}

// unmountDead takes the mount of a dead klw-replicafs away.
func unmountDead(c replicafs.Config) error {
	var fs unix.Statfs_t
	if err := unix.Statfs(c.Mountpoint, &fs); !errors.Is(err, unix.ENOTCONN) {
		return fmt.Errorf("%s: %w at present", c.Source, ErrNotReplicated)
	}
	if err := unix.Unmount(c.Mountpoint, unix.MNT_DETACH); err != nil {
		return fmt.Errorf("unmount the dead mount on %s: %w", c.Mountpoint, err)
	}
	return nil
}

// Resync has a running replication compare everything, contents too, and journal what the replica has otherwise. It
// returns when that is journaled; StatusOf tells when it is applied.
func Resync(ctx context.Context, root layout.Root, source string) error {
	f, c, err := find(root, source)
	if err != nil {
		return err
	}
	if !running(f) {
		return fmt.Errorf("%s: %w at present", c.Source, ErrNotReplicated)
	}
	return call(ctx, f, MethodResync, nil)
}

// Verify compares a source with its replica.
func Verify(ctx context.Context, root layout.Root, source string) (Report, error) {
	f, c, err := find(root, source)
	if err != nil {
		return Report{}, err
	}
	if !running(f) {
		return Report{}, fmt.Errorf("%s: %w at present: mount it, then what differs is found and journaled", c.Source, ErrNotReplicated)
	}
	var rep Report
	err = call(ctx, f, control.MethodReplicaVerify, &rep)
	return rep, err
}
