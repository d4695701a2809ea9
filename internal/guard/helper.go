package guard

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"klw/internal/handshake"
	"klw/internal/program"
)

// Limits of patience with a helper.
const (
	readyTime = time.Minute      // until it serves
	drainTime = 50 * time.Second // until it has ended in good order, below what klw-runc gives us
)

// helper is a klw program that this guard started. Its standard error is the guard's log.
type helper struct {
	name    string
	process handshake.Process
	cmd     *exec.Cmd
	ready   *os.File
	done    chan struct{} // closed when it has ended
	err     error         // how, after done
}

// startHelper starts a klw program that tells on a descriptor, whose number it is given as --ready-fd, that it serves.
func startHelper(name string, args ...string) (*helper, error) {
	binary, err := program.Find(name)
	if err != nil {
		return nil, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer w.Close()
	cmd := exec.Command(binary, append(args, "--ready-fd", "3")...)
	cmd.Stderr, cmd.Stdout = os.Stderr, os.Stderr
	cmd.ExtraFiles = []*os.File{w}
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		r.Close()
		return nil, err
	}
	h := &helper{name: name, cmd: cmd, ready: r, done: make(chan struct{})}
	if h.process, err = handshake.FindProcess(cmd.Process.Pid); err != nil {
		cmd.Process.Kill()
	}
	go func() {
		h.err = cmd.Wait()
		close(h.done)
	}()
	if err != nil {
		<-h.done
		r.Close()
		return nil, err
	}
	return h, nil
}

// waitReady waits for "ready", or the line that says what is wrong.
func (h *helper) waitReady() error {
	defer h.ready.Close()
	h.ready.SetReadDeadline(time.Now().Add(readyTime))
	line, err := bufio.NewReader(h.ready).ReadString('\n')
	line = strings.TrimSpace(line)
	switch {
	case line == "ready":
		return nil
	case line != "":
		return fmt.Errorf("%s: %s", h.name, line)
	case os.IsTimeout(err):
		return fmt.Errorf("%s isn't ready after %v", h.name, readyTime)
	}
	return fmt.Errorf("%s ended before it was ready (see the guard's log)", h.name)
}

func (h *helper) alive() bool {
	select {
	case <-h.done:
		return false
	default:
		return true
	}
}

// stop asks the helper to end in good order, and kills it if it doesn't.
func (h *helper) stop() error {
	_ = h.cmd.Process.Signal(syscall.SIGTERM)
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	select {
	case <-h.done:
		return nil
	case <-ctx.Done():
	}
	h.cmd.Process.Kill()
	<-h.done
	return fmt.Errorf("%s didn't end within %v and was killed", h.name, drainTime)
}
