package ops

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"klw/internal/program"
	"klw/replicafs"
)

// Mount starts a replication in the background and waits until it serves. ctx limits the wait; a start that isn't
// finished then is taken back.
func Mount(ctx context.Context, o MountOptions) (Status, error) {
	if o.Ack == "" {
		o.Ack = AckMemory
	}
	binary, err := program.Find("klw-replicafs")
	if err != nil {
		return Status{}, err
	}
	log, err := openLog(o)
	if err != nil {
		return Status{}, err
	}
	defer log.Close()
	r, w, err := os.Pipe()
	if err != nil {
		return Status{}, err
	}
	defer r.Close()
	cmd := exec.Command(binary, "serve", "--root", string(o.Root), "--source", o.Source, "--mountpoint", o.Mountpoint,
		"--to", o.Destination, "--ack", string(o.Ack), "--ready-fd", "3")
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = log, log, []*os.File{w}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = cmd.Start()
	w.Close()
	if err != nil {
		return Status{}, fmt.Errorf("start klw-replicafs: %w", err)
	}
	if err := waitReady(ctx, cmd, r); err != nil {
		return Status{}, err
	}
	return StatusOf(ctx, o.Root, o.Source)
}

// openLog opens the file that a klw-replicafs in the background writes to.
func openLog(o MountOptions) (*os.File, error) {
	source, err := filepath.Abs(o.Source)
	if err != nil {
		return nil, err
	}
	if real, err := filepath.EvalSymlinks(source); err == nil {
		source = real
	}
	f := replicafs.FolderOf(o.Root, source)
	if err := os.MkdirAll(string(f), 0o700); err != nil {
		return nil, fmt.Errorf("make the replication's folder: %w", err)
	}
	return os.OpenFile(f.Log(), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
}

// waitReady waits for "ready", or the line that says what is wrong.
func waitReady(ctx context.Context, cmd *exec.Cmd, r *os.File) error {
	said := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(r).ReadString('\n')
		said <- strings.TrimSpace(line)
	}()
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // what is wrong is said on the pipe
		close(ended)
	}()
	var line string
	select {
	case line = <-said:
	case <-ctx.Done():
		_ = cmd.Process.Signal(syscall.SIGTERM)
		<-ended
		return fmt.Errorf("start the replication: %w", ctx.Err())
	}
	if line == "ready" {
		return nil
	}
	<-ended
	if line == "" {
		return errors.New("klw-replicafs ended before it was ready")
	}
	return errors.New(line)
}
