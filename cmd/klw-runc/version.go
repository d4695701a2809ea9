package main

import (
	"fmt"
	goruntime "runtime"
	"runtime/debug"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/urfave/cli/v3"

	"klw/internal/version"
)

// printVersion speaks as runc does: containerd and conmon read these lines.
func printVersion(cmd *cli.Command) {
	out := cmd.Root().Writer
	fmt.Fprintf(out, "runc version klw-%s\n", version.Version)
	if c := commit(); c != "" {
		fmt.Fprintf(out, "commit: %s\n", c)
	}
	fmt.Fprintf(out, "spec: %s\n", specs.Version)
	fmt.Fprintf(out, "go: %s\n", goruntime.Version())
}

// commit is what the binary was built from, "" if the build didn't say.
func commit() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return ""
}
