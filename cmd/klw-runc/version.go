package main

import (
	"fmt"
	goruntime "runtime"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/urfave/cli/v3"

	"klw/internal/version"
)

// printVersion speaks as runc does: containerd and conmon read these lines.
func printVersion(cmd *cli.Command) {
	out := cmd.Root().Writer
	fmt.Fprintf(out, "runc version klw-%s\n", version.Version)
	if c := version.Commit(); c != "" {
		fmt.Fprintf(out, "commit: %s\n", c)
	}
	fmt.Fprintf(out, "spec: %s\n", specs.Version)
	fmt.Fprintf(out, "go: %s\n", goruntime.Version())
}
