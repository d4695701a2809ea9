package initproc

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"klw/internal/fork"
	"klw/runtime/launch"
)

var errNotFound = errors.New("executable file not found in $PATH")

// lookPath finds the program as the process's own PATH and rights say. Engines read the texts of its errors.
func lookPath(s *specs.Process) (string, error) {
	name := s.Args[0]
	if strings.Contains(name, "/") {
		if err := executable(name); err != nil {
			return "", fmt.Errorf("exec: %q: %w", name, err)
		}
		return name, nil
	}
	var denied error
	for _, dir := range filepath.SplitList(variable(s.Env, "PATH")) {
		if dir == "" {
			dir = "."
		}
		path := filepath.Join(dir, name)
		err := executable(path)
		if err == nil {
			if !filepath.IsAbs(path) {
				return "", fmt.Errorf("exec: %q: found relative to the working directory only", name)
			}
			return path, nil
		}
		if errors.Is(err, fs.ErrPermission) {
			denied = err
		}
	}
	if denied != nil {
		return "", fmt.Errorf("exec: %q: %w", name, denied)
	}
	return "", fmt.Errorf("exec: %q: %w", name, errNotFound)
}

func executable(path string) error {
	st, err := os.Stat(path)
	if err != nil {
		var pe *fs.PathError
		if errors.As(err, &pe) {
			err = pe.Err
		}
		return err
	}
	if st.IsDir() {
		return unix.EISDIR
	}
	if err := unix.Faccessat2(unix.AT_FDCWD, path, unix.X_OK, unix.AT_EACCESS); err != nil {
		return err
	}
	return nil
}

// variable gives the last value of a variable.
func variable(env []string, name string) string {
	value := ""
	for _, v := range env {
		if k, val, ok := strings.Cut(v, "="); ok && k == name {
			value = val
		}
	}
	return value
}

// execute becomes the application; nothing but the bundle's filters comes in between.
func (p *proc) execute(path string, s *specs.Process) error {
	env := environment(s)
	if p.PIDNS != 0 {
		return p.executeInside(path, s, env)
	}
	if p.wire >= 0 {
		if err := p.tell(launch.StepExecute); err != nil {
			return err
		}
	}
	if err := p.bundleFilters(); err != nil {
		return err
	}
	return doing(syscall.Exec(path, s.Args, env), "exec %s", path)
}

// executeInside executes the process in the pid namespace of the container. klw-init itself never was in it: what runs
// there can neither see nor trace it, however many capabilities it has (CVE-2016-9962); it meets a process that has
// given everything up already and is about to execute.
func (p *proc) executeInside(path string, s *specs.Process, env []string) error {
	c := &fork.Child{User: -1, Flags: unix.CLONE_PARENT, Session: true, TTY: s.Terminal, NoFile: &p.noFile,
		Filters: p.Config.Filters, Exe: -1, Path: path, Args: s.Args, Env: env}
	pid, err := c.Start()
	if err != nil {
		p.say(launch.Message{Error: launch.NewError(err), PID: pid})
		os.Exit(1)
	}
	p.say(launch.Message{Step: launch.StepExecute, PID: pid})
	os.Exit(0)
	return nil
}
