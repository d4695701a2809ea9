package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// machine is the place where rows run: the runtimes, a folder for bundles, and what must be undone.
type machine struct {
	top, work string
	undo      []func()
	running   map[string]func() // containers, with how to delete them
}

func newMachine(top, work string) (*machine, error) {
	m := &machine{top: top, work: work, running: map[string]func(){}}
	cmd := exec.Command("go", "build", "-o", filepath.Join(work, "worker"), "./integration/bench/worker")
	cmd.Dir = top
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the worker: %w: %s", err, out)
	}
	return m, nil
}

func (m *machine) close() {
	m.stopAll()
	for i := len(m.undo) - 1; i >= 0; i-- {
		m.undo[i]()
	}
}

func (m *machine) later(f func()) { m.undo = append(m.undo, f) }

// command gives a runtime's command line with a state folder of its own.
func (m *machine) command(runtime string, args ...string) *exec.Cmd {
	path := map[string]string{
		"klw-runc": "bin/klw-runc", "runc": "bin/peers/runc", "crun": "bin/peers/crun",
	}[runtime]
	all := append([]string{"--root", filepath.Join(m.work, "state-"+runtime)}, args...)
	return exec.Command(filepath.Join(m.top, path), all...)
}

// container creates and starts a container, to be deleted at the end.
func (m *machine) container(runtime, bundle string) (id string, err error) {
	id = filepath.Base(bundle)
	log, err := os.Create(filepath.Join(bundle, "log"))
	if err != nil {
		return "", err
	}
	defer log.Close()
	for _, args := range [][]string{{"create", "--bundle", bundle, "--pid-file", filepath.Join(bundle, "pid"), id}, {"start", id}} {
		cmd := m.command(runtime, args...)
		cmd.Stdout, cmd.Stderr = log, log
		if err := cmd.Run(); err != nil {
			text, _ := os.ReadFile(log.Name())
			return "", fmt.Errorf("%s %s: %w: %s", runtime, args[0], err, text)
		}
	}
	m.running[id] = func() {
		if out, err := m.command(runtime, "delete", "-f", id).CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "delete %s: %v: %s", id, err, out)
		}
	}
	return id, nil
}

// stopAll deletes the containers that run.
func (m *machine) stopAll() {
	for id, stop := range m.running {
		stop()
		delete(m.running, id)
	}
}

// pid of a container's first process.
func (m *machine) pid(id string) (string, error) {
	text, err := os.ReadFile(filepath.Join(m.work, id, "pid"))
	return strings.TrimSpace(string(text)), err
}

// apache copies the Apache bundle; edit may change its configuration and must say what its policy becomes ("": none).
func (m *machine) apache(name string, edit func(*specs.Spec), policy func(string) string) (string, error) {
	to := filepath.Join(m.work, name)
	if out, err := exec.Command("cp", "-a", "--reflink=auto", filepath.Join(m.top, "apache-bundle")+"/.", to).CombinedOutput(); err != nil {
		return "", fmt.Errorf("copy the bundle: %w: %s", err, out)
	}
	backup := filepath.Join(to, "backup") // it is the replica of another source
	if err := errors.Join(os.RemoveAll(backup), os.Mkdir(backup, 0o755), editConfig(to, edit)); err != nil {
		return "", err
	}
	file := filepath.Join(to, "klw.policy")
	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	changed := policy(string(text))
	if changed == "" {
		return to, os.Remove(file)
	}
	return to, os.WriteFile(file, []byte(changed), 0o644)
}

func editConfig(bundle string, edit func(*specs.Spec)) error {
	file := filepath.Join(bundle, "config.json")
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var s specs.Spec
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	edit(&s)
	if text, err = json.Marshal(&s); err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o644)
}

func networkPath(s *specs.Spec, path string) {
	for i := range s.Linux.Namespaces {
		if s.Linux.Namespaces[i].Type == specs.NetworkNamespace {
			s.Linux.Namespaces[i].Path = path
		}
	}
}
