package klwctl

import (
	"context"
	"fmt"
	"io"
	"runtime"

	"github.com/urfave/cli/v3"

	"klw/internal/control"
	"klw/internal/version"
)

func versionCommand() *cli.Command {
	return &cli.Command{
		Name: "version", Usage: "print the version", Description: "Example:\n   klwctl version --json",
		Action: func(_ context.Context, c *cli.Command) error {
			if _, err := arguments(c); err != nil {
				return err
			}
			v := struct {
				Version  string `json:"version"`
				Commit   string `json:"commit,omitempty"`
				Protocol int    `json:"protocol"`
				Go       string `json:"go"`
			}{version.Version, version.Commit(), control.Version, runtime.Version()}
			return show(c, v, func(w io.Writer) {
				fmt.Fprintf(w, "klwctl %s\n", v.Version)
				if v.Commit != "" {
					fmt.Fprintf(w, "commit: %s\n", v.Commit)
				}
				fmt.Fprintf(w, "control protocol: %d\ngo: %s\n", v.Protocol, v.Go)
			})
		},
	}
}
