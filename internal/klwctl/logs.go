package klwctl

import (
	"context"
	"fmt"
	"io"

	"github.com/urfave/cli/v3"

	"klw/internal/control"
)

func logCommand() *cli.Command {
	return &cli.Command{
		Name: "log", Usage: "a guard's own log",
		Description: "Example:\n   klwctl log level apache-bundle debug",
		Commands: []*cli.Command{{
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
