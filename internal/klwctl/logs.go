package klwctl

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/urfave/cli/v3"

	"klw/internal/control"
	"klw/internal/exitcode"
)

func logCommand() *cli.Command {
	return &cli.Command{
		Name: "log", Usage: "a guard's own log",
		Description: "Example:\n   klwctl log level apache-bundle debug",
		Commands: []*cli.Command{{
			Name: "show", Usage: "print a guard's own log", ArgsUsage: "ID",
			Description:   "The log goes with the container. With --json each line is an object.\n\nExample:\n   klwctl log show apache-bundle",
			ShellComplete: completeIDs,
			Action:        showLog,
		}, {
			Name: "level", Usage: "tell or set how much a guard writes to its own log", ArgsUsage: "ID [debug|info|warn|error]",
			Description: "The log is guard.log in the container's state folder. What is refused is not there but in the events.\n\n" +
				"Example:\n   klwctl log level apache-bundle debug",
			ShellComplete: completeIDs,
			Action: func(ctx context.Context, c *cli.Command) error {
				args, err := arguments(c, "ID", "[LEVEL]")
				if err != nil {
					return err
				}
				var l control.Level
				if err := call(ctx, root(c), args[0], control.MethodLogLevel, control.Level{Level: args[1]}, &l); err != nil {
					return err
				}
				return show(c, l, func(w io.Writer) { fmt.Fprintln(w, l.Level) })
			},
		}},
	}
}

// showLog prints the log of a guard that lives or has died, as long as its container's folder is there.
func showLog(_ context.Context, c *cli.Command) error {
	args, err := arguments(c, "ID")
	if err != nil {
		return err
	}
	if err := checkID(args[0]); err != nil {
		return err
	}
	f, err := os.Open(root(c).Container(args[0]).GuardLog())
	if errors.Is(err, fs.ErrNotExist) {
		return exitcode.With(exitcode.NotFound, fmt.Errorf("there is no container %q with a guard in %s", args[0], root(c)))
	}
	if err != nil {
		return coded(err)
	}
	defer f.Close()
	out := c.Root().Writer
	for in := bufio.NewScanner(f); ; {
		if !in.Scan() {
			return in.Err()
		}
		if c.Bool("json") {
			err = printJSON(out, map[string]string{"line": in.Text()})
		} else {
			_, err = fmt.Fprintln(out, clean(in.Text()))
		}
		if err != nil {
			return err
		}
	}
}
