package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v3"

	"klw/bundle"
	"klw/runtime"
)

// createFlags are those that create and run share.
func createFlags() []cli.Flag {
	return append(processFlags(),
		&cli.StringFlag{Name: "bundle", Aliases: []string{"b"}, Usage: "the bundle's `DIR` (default: the current directory)"},
		&cli.BoolFlag{Name: "no-pivot", Usage: "enter the root by chroot, for a root on an initramfs"},
		&cli.BoolFlag{Name: "learn", Usage: "refuse nothing of what a policy can give, and record it for klwctl policy learn"},
		&cli.BoolFlag{Name: "no-new-keyring", Usage: "keep the caller's session keyring"},
	)
}

// processFlags are those of every command that starts a process.
func processFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "console-socket", Usage: "UNIX socket at `PATH` that gets the terminal's master"},
		&cli.StringFlag{Name: "pidfd-socket", Usage: "UNIX socket at `PATH` that gets a pidfd of the process"},
		&cli.StringFlag{Name: "pid-file", Usage: "write the process's id to `FILE`"},
		&cli.IntFlag{Name: "preserve-fds", Usage: "pass on `N` descriptors from 3 on"},
	}
}

func createCommand() *cli.Command {
	return &cli.Command{
		Name:      "create",
		Usage:     "make a container, ready to be started",
		ArgsUsage: "ID",
		Flags:     createFlags(),
		Action:    create,
	}
}

func create(_ context.Context, cmd *cli.Command) error {
	name, err := id(cmd)
	if err != nil {
		return err
	}
	return startContainer(cmd, name, cmd.String("bundle"), mode{detach: true})
}

func runCommand() *cli.Command {
	return &cli.Command{
		Name:      "run",
		Usage:     "make a container and start it",
		ArgsUsage: "ID | BUNDLE",
		Description: `With --bundle, or if no folder of that name holds a config.json, the argument is the container's id and the
bundle is the current directory. Else it is the bundle, and the folder's name becomes the id.

   klw-runc run apache-bundle
   klw-runc run --bundle apache-bundle web`,
		Flags: append(createFlags(),
			&cli.BoolFlag{Name: "detach", Aliases: []string{"d"}, Usage: "return when the process runs"},
			&cli.BoolFlag{Name: "keep", Usage: "don't remove the container after its process has ended"},
			&cli.BoolFlag{Name: "no-subreaper", Usage: "don't reap what the container leaves behind"},
		),
		Action: run,
	}
}

func run(_ context.Context, cmd *cli.Command) error {
	arg, err := id(cmd)
	if err != nil {
		return err
	}
	name, dir, err := idAndBundle(arg, cmd.String("bundle"))
	if err != nil {
		return err
	}
	return startContainer(cmd, name, dir, mode{
		run: true, detach: cmd.Bool("detach"), keep: cmd.Bool("keep"), subreaper: !cmd.Bool("no-subreaper"),
	})
}

// idAndBundle tells an id from the folder of a bundle.
func idAndBundle(arg, dir string) (id, bundleDir string, err error) {
	if dir != "" {
		return arg, dir, nil
	}
	if _, err := os.Stat(filepath.Join(arg, bundle.ConfigName)); err == nil && arg != "" {
		abs, err := filepath.Abs(arg)
		return filepath.Base(abs), arg, err
	}
	st, err := os.Stat(arg)
	if err != nil && strings.Contains(arg, "/") { // no id
		return "", "", fmt.Errorf("bundle %s: no such file or directory", arg)
	}
	if err == nil && st.IsDir() {
		if _, err := os.Stat(bundle.ConfigName); err != nil {
			return "", "", fmt.Errorf("bundle %s: %s is missing: no such file or directory", arg, bundle.ConfigName)
		}
	}
	return arg, "", nil
}

// mode is how a container is to be started.
type mode struct{ run, detach, keep, subreaper bool }

func startContainer(cmd *cli.Command, name, dir string, m mode) error {
	root, err := root(cmd)
	if err != nil {
		return err
	}
	if err := runtime.CheckID(name); err != nil {
		return err
	}
	if dir == "" {
		dir = "."
	}
	b, err := bundle.Load(dir, root)
	if err != nil {
		return err
	}
	if cmd.Bool("learn") && b.Policy == nil {
		return fmt.Errorf("--learn: the bundle has no policy: write one into %s, if only the line application %s", filepath.Join(dir, bundle.PolicyName), name)
	}
	p, err := newProcess(cmd, b.Spec.Process, m.detach)
	if err != nil {
		return err
	}
	defer p.close()
	if !m.detach {
		p.watchSignals(m.subreaper)
	}
	c, init, err := runtime.Create(runtime.CreateOptions{
		Root: root, ID: name, Bundle: b, Stdio: p.stdio, Run: m.run,
		NoPivot: cmd.Bool("no-pivot"), NoNewKeyring: cmd.Bool("no-new-keyring"), Learn: cmd.Bool("learn"), Warn: logWarning,
	})
	if err != nil {
		return err
	}
	defer init.Close()
	status, err := p.follow(init)
	if err != nil || !m.detach && !m.keep {
		p.close()
		err = errors.Join(err, runtime.Delete(root, c.ID, true, logWarning))
	}
	if err == nil && status != 0 {
		err = exitStatus(status)
	}
	return err
}
