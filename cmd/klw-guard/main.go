// Command klw-guard guards one container: its files, sockets and rise to root (package guard). klw-runc starts it and
// cleans up after it; nobody types it.
//
//	klw-guard serve                      over the conversation on descriptor 3 (package handshake)
//	klw-guard cleanup --root ROOT ID     undo what a killed guard left
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"

	"klw/internal/exitcode"
	"klw/internal/guard"
	"klw/internal/layout"
)

const usage = "usage: klw-guard serve | klw-guard cleanup [--root ROOT] ID"

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "klw-guard:", err)
		os.Exit(exitcode.Of(err))
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return exitcode.With(exitcode.Usage, errors.New(usage))
	}
	switch args[0] {
	case "serve":
		fewProcessors()
		// Modules of one's own are arguments of Serve: see examples/module.
		if !guard.Serve() {
			os.Exit(exitcode.Failed) // it has said why
		}
		return nil
	case "cleanup":
		return cleanup(args[1:])
	}
	return exitcode.With(exitcode.Usage, errors.New(usage))
}

// fewProcessors keeps the guard's goroutines together: an answer takes microseconds, a thread that is woken on another
// processor takes longer (docs/decisions/guard-processors.md).
func fewProcessors() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(max(1, runtime.NumCPU()/4))
	}
}

func cleanup(args []string) error {
	flags := flag.NewFlagSet("klw-guard cleanup", flag.ContinueOnError)
	root := flags.String("root", layout.DefaultRoot, "folder of the containers' state")
	if err := flags.Parse(args); err != nil || flags.NArg() != 1 {
		return exitcode.With(exitcode.Usage, errors.New(usage))
	}
	return guard.Cleanup(context.Background(), layout.Root(*root), flags.Arg(0))
}
