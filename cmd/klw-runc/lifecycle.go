package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/urfave/cli/v3"
	"golang.org/x/sys/unix"

	"klw/runtime"
)

func startCommand() *cli.Command {
	return &cli.Command{
		Name: "start", Usage: "start the process of a created container", ArgsUsage: "ID",
		Action: func(_ context.Context, cmd *cli.Command) error {
			c, err := open(cmd)
			if err != nil {
				return err
			}
			return c.Start()
		},
	}
}

func killCommand() *cli.Command {
	one := 1
	return &cli.Command{
		Name: "kill", Usage: "send a signal to a container's first process", ArgsUsage: "ID [SIGNAL]",
		Description:  "SIGNAL is a name (TERM, SIGTERM) or a number; without one it is TERM.\n\n   klw-runc kill web HUP",
		StopOnNthArg: &one,
		Flags:        []cli.Flag{&cli.BoolFlag{Name: "all", Aliases: []string{"a"}, Usage: "to every process of the container"}},
		Action:       kill,
	}
}

func kill(_ context.Context, cmd *cli.Command) error {
	if n := cmd.NArg(); n < 1 || n > 2 {
		return fmt.Errorf("kill needs an id and perhaps a signal, but was given %d arguments", n)
	}
	root, err := root(cmd)
	if err != nil {
		return err
	}
	sig := unix.SIGTERM
	if text := cmd.Args().Get(1); text != "" {
		if sig, err = parseSignal(text); err != nil {
			return err
		}
	}
	c, err := runtime.Open(root, cmd.Args().First())
	if err != nil {
		return err
	}
	err = c.Kill(sig, cmd.Bool("all"))
	if errors.Is(err, runtime.ErrNotRunning) && cmd.Bool("all") {
		return nil // engines use it to make sure that nothing is left
	}
	return err
}

func parseSignal(text string) (unix.Signal, error) {
	if n, err := strconv.Atoi(text); err == nil {
		if n < 0 || n > 64 {
			return 0, fmt.Errorf("unknown signal %d", n)
		}
		return unix.Signal(n), nil
	}
	name := strings.ToUpper(text)
	if !strings.HasPrefix(name, "SIG") {
		name = "SIG" + name
	}
	if sig := unix.SignalNum(name); sig != 0 {
		return sig, nil
	}
	return 0, fmt.Errorf("unknown signal %q", text)
}

func deleteCommand() *cli.Command {
	return &cli.Command{
		Name: "delete", Usage: "remove a stopped container and all that was made for it", ArgsUsage: "ID",
		Flags: []cli.Flag{&cli.BoolFlag{Name: "force", Aliases: []string{"f"}, Usage: "kill it first; no error if there is none"}},
		Action: func(_ context.Context, cmd *cli.Command) error {
			name, err := id(cmd)
			if err != nil {
				return err
			}
			root, err := root(cmd)
			if err != nil {
				return err
			}
			return runtime.Delete(root, name, cmd.Bool("force"), logWarning)
		},
	}
}

// open finds the container that a command's only argument names.
func open(cmd *cli.Command) (*runtime.Container, error) {
	name, err := id(cmd)
	if err != nil {
		return nil, err
	}
	root, err := root(cmd)
	if err != nil {
		return nil, err
	}
	return runtime.Open(root, name)
}
