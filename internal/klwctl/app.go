// Package klwctl is the command klwctl: what a person or a script types to see and steer guards.
//
// Every command asks the guard of a container over its control socket (package control) or reads what a guard left
// (events, policy). All of them print for people, or with --json one JSON value (events: one a line). Exit codes are
// those of package exitcode.
//
// What comes from inside a container (paths, command names) is never printed raw: control characters are escaped.
package klwctl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"

	"github.com/urfave/cli/v3"
	"golang.org/x/sys/unix"

	"klw/internal/control"
	"klw/internal/exitcode"
	"klw/internal/layout"
)

// Main runs klwctl and gives its exit code.
func Main(args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	defer stop()
	err := New(stdout, stderr).Run(ctx, args)
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, unix.EPIPE) {
		return exitcode.OK
	}
	if text := err.Error(); text != "" {
		fmt.Fprintln(stderr, "klwctl:", text)
	}
	return exitcode.Of(err)
}

// New makes the command tree.
func New(stdout, stderr io.Writer) *cli.Command {
	root := &cli.Command{
		Name:  "klwctl",
		Usage: "see and steer the guards of klw's containers",
		Description: "Exit codes: " + strings.ReplaceAll(exitcode.Text, "\n", " ") + `.

Example:
   klwctl status
   klwctl events -f`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "root", Value: layout.DefaultRoot, Usage: "folder of the containers' state"},
			&cli.BoolFlag{Name: "json", Usage: "print JSON"},
		},
		Commands: []*cli.Command{
			statusCommand(), eventsCommand(), moduleCommand(), policyCommand(), logCommand(), replicaCommand(), versionCommand(),
		},
		Writer: stdout, ErrWriter: stderr,
		EnableShellCompletion: true,
		ConfigureShellCompletionCommand: func(c *cli.Command) {
			c.Hidden = false
			c.Usage = "print the completion script for bash, zsh, fish or pwsh"
		},
		HideVersion:    true,
		ExitErrHandler: func(context.Context, *cli.Command, error) {}, // Main prints and numbers errors
	}
	prepare(root)
	return root
}

// prepare gives every command what all have.
func prepare(c *cli.Command) {
	c.OnUsageError = func(_ context.Context, _ *cli.Command, err error, _ bool) error { return usage("%v", err) }
	c.HideHelpCommand = true
	if c.Action == nil {
		c.Action = group
	}
	for _, sub := range c.Commands {
		prepare(sub)
	}
}

// group is the action of a command that only has others below it.
func group(_ context.Context, c *cli.Command) error {
	if c.Args().Present() {
		return usage("unknown command %q (see %s --help)", c.Args().First(), c.FullName())
	}
	return cli.ShowSubcommandHelp(c)
}

func usage(format string, args ...any) error {
	return exitcode.With(exitcode.Usage, fmt.Errorf(format, args...))
}

// arguments gives the command's arguments if there are as many as names; a name in brackets may be missing.
func arguments(c *cli.Command, names ...string) ([]string, error) {
	args := c.Args().Slice()
	least := 0
	for _, n := range names {
		if !strings.HasPrefix(n, "[") {
			least++
		}
	}
	if len(args) < least || len(args) > len(names) {
		return nil, usage("usage: %s %s", c.FullName(), strings.Join(names, " "))
	}
	for len(args) < len(names) {
		args = append(args, "")
	}
	return args, nil
}

func root(c *cli.Command) layout.Root { return layout.Root(c.String("root")) }

// coded gives a control error its exit code.
func coded(err error) error {
	var e *control.Error
	switch {
	case errors.As(err, &e):
		codes := map[control.Code]int{
			control.CodeRequest: exitcode.Usage, control.CodeNotFound: exitcode.NotFound, control.CodeConflict: exitcode.Conflict,
			control.CodePolicy: exitcode.BadPolicy,
		}
		if code, ok := codes[e.Code]; ok {
			return exitcode.With(code, err)
		}
	case errors.Is(err, control.ErrNotRunning):
		return exitcode.With(exitcode.NotRunning, err)
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("%w (klwctl must be run as root)", err)
	}
	return err
}
