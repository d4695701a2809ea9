// Klw-runc is the OCI runtime command line: it makes, starts, enters, signals and removes containers, each under the
// policy of its bundle if it has one. Its commands, flags, exit codes and error texts are runc's, so that engines
// (containerd, Podman, CRI-O) use it as they use runc.
//
// Exit codes: run and exec in the foreground give the process's, or 128+n if signal n ended it. An error of klw-runc
// itself is 1, of exec 255.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v3"

	"klw/internal/layout"
	"klw/internal/version"
)

const description = `The klw container runtime: an OCI runtime whose containers can be put under a policy.

A bundle is a folder with config.json and a root file system. With a file klw.policy in it, or an annotation
io.klw.policy that names one of the administrator's policies, every file, socket and privilege of the container is
decided by that policy. Without one klw-runc is a plain OCI runtime.

   klw-runc run apache-bundle       # the folder of a bundle, whose name becomes the id
   klw-runc run -b DIR web          # or the bundle and an id
   klw-runc kill web TERM
   klw-runc delete web`

func main() {
	cli.VersionPrinter = printVersion
	app := newApp()
	if err := app.Run(context.Background(), os.Args); err != nil {
		os.Exit(fail(err))
	}
}

func newApp() *cli.Command {
	app := &cli.Command{
		Name:                      "klw-runc",
		Usage:                     "run OCI containers, under a policy",
		Description:               description,
		Version:                   version.Version,
		DisableSliceFlagSeparator: true,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "root", Value: layout.DefaultRoot, Usage: "folder of the containers' states"},
			&cli.StringFlag{Name: "log", Usage: "file to write errors and warnings to (default: standard error)"},
			&cli.StringFlag{Name: "log-format", Value: "text", Usage: "text or json"},
			&cli.BoolFlag{Name: "debug", Usage: "accepted for engines that pass it: there is nothing more to log"},
			&cli.BoolFlag{Name: "systemd-cgroup", Usage: "not supported: cgroups are made in the file system"},
			&cli.StringFlag{Name: "rootless", Value: "auto", Usage: "true, false or auto; true is not supported"},
		},
		Commands: []*cli.Command{
			createCommand(), deleteCommand(), execCommand(), featuresCommand(), killCommand(), listCommand(), runCommand(),
			specCommand(), startCommand(), stateCommand(),
		},
		Before: before,
		Action: func(_ context.Context, cmd *cli.Command) error {
			if name := cmd.Args().First(); name != "" {
				return fmt.Errorf("unknown command %q (see klw-runc --help)", name)
			}
			return cli.ShowAppHelp(cmd)
		},
		ExitErrHandler: func(context.Context, *cli.Command, error) {}, // main reports errors
		OnUsageError:   usageError,
	}
	for _, c := range app.Commands {
		c.OnUsageError = usageError
	}
	return app
}

// before checks the global flags and opens the log.
func before(ctx context.Context, cmd *cli.Command) (context.Context, error) {
	if err := openLog(cmd.String("log"), cmd.String("log-format")); err != nil {
		return ctx, err
	}
	if cmd.Bool("systemd-cgroup") {
		return ctx, errors.New("--systemd-cgroup is not supported: configure the engine's cgroupfs manager")
	}
	switch r := cmd.String("rootless"); r {
	case "false", "auto":
	case "true":
		return ctx, errors.New("--rootless true is not supported: klw-runc needs root")
	default:
		return ctx, fmt.Errorf("--rootless %q, expected true, false or auto", r)
	}
	return ctx, nil
}

// usageError reports a wrong flag in one line, without the whole help.
func usageError(_ context.Context, cmd *cli.Command, err error, _ bool) error {
	return fmt.Errorf("%w (see %s --help)", err, cmd.FullName())
}

// root is the state root, absolute: the guard gets it too and works in another folder.
func root(cmd *cli.Command) (layout.Root, error) {
	path, err := filepath.Abs(cmd.String("root"))
	return layout.Root(path), err
}

// id checks that exactly the container's id was given.
func id(cmd *cli.Command) (string, error) {
	if cmd.NArg() != 1 {
		return "", fmt.Errorf("%s needs one argument, the container's id, but was given %d", cmd.Name, cmd.NArg())
	}
	return cmd.Args().First(), nil
}

// codedError is an error with the exit code that it asks for.
type codedError struct {
	error
	code int
}

func (e codedError) Unwrap() error { return e.error }

// exitStatus ends the program with a process's status, without a word.
type exitStatus int

func (exitStatus) Error() string { return "" }

// fail reports an error and gives the exit code.
func fail(err error) int {
	var status exitStatus
	if errors.As(err, &status) {
		return int(status)
	}
	logError(err)
	var coded codedError
	if errors.As(err, &coded) {
		return coded.code
	}
	return 1
}
