package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// replicaRows measure the replicating mount in the situations of G1: with nothing of ours on the machine; with another
// folder replicated; replicated.
func replicaRows(m *machine, rounds int) ([]row, error) {
	plain, source, to := filepath.Join(m.work, "files"), filepath.Join(m.work, "source"), filepath.Join(m.work, "replica")
	for _, dir := range []string{plain, source, to} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, err
		}
	}
	for _, dir := range []string{plain, source} {
		if err := os.WriteFile(filepath.Join(dir, "large"), make([]byte, 64<<20), 0o644); err != nil {
			return nil, err
		}
	}
	klwctl := func(args ...string) error {
		all := append([]string{"--root", filepath.Join(m.work, "state-replica"), "replica"}, args...)
		out, err := exec.Command(filepath.Join(m.top, "bin/klwctl"), all...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("klwctl %v: %w: %s", args, err, out)
		}
		return nil
	}
	on := false
	replicate := func(want bool) (err error) {
		switch {
		case want && !on:
			err = klwctl("mount", source, source, "--to", to)
		case !want && on:
			err = klwctl("unmount", source)
		}
		on = want
		return err
	}
	m.later(func() { _ = replicate(false) })
	var rows []row
	for _, kind := range []string{"write", "create"} {
		at := func(replicated bool, dir string) func() (float64, error) {
			return func() (float64, error) {
				if err := replicate(replicated); err != nil {
					return 0, err
				}
				return m.worker("", kind, dir)
			}
		}
		rows = append(rows, row{name: "replication: " + kind, unit: "ns", rounds: rounds, subjects: []subject{
			{"nothing loaded", at(false, plain)},
			{"another folder replicated", at(true, plain)},
			{"replicated", at(true, source)},
		}})
	}
	return rows, nil
}
