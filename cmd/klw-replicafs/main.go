// Command klw-replicafs replicates one folder: it serves the mount and writes the journal.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"

	"github.com/urfave/cli/v3"
	"golang.org/x/sys/unix"

	"klw/internal/layout"
	"klw/replicafs/ops"
	"klw/replicafs/serve"
)

func main() {
	cmd := &cli.Command{
		Name:     "klw-replicafs",
		Usage:    "replicate a folder while programs use it",
		Commands: []*cli.Command{serveCommand()},
	}
	if err := cmd.Run(context.Background(), os.Args); err != nil {
		fmt.Fprintf(os.Stderr, "klw-replicafs: %v\n", err)
		os.Exit(1)
	}
}

func serveCommand() *cli.Command {
	var o serve.Options
	var root, ack string
	var ready int
	return &cli.Command{
		Name:  "serve",
		Usage: "mount the folder and replicate it until SIGTERM, SIGINT or an unmount",
		Description: `Example:
   klw-replicafs serve --source /srv/www --mountpoint /srv/www --to /backup/www`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "root", Usage: "state folder", Value: layout.DefaultRoot, Destination: &root},
			&cli.StringFlag{Name: "source", Usage: "the folder to replicate", Required: true, Destination: &o.Source},
			&cli.StringFlag{Name: "mountpoint", Usage: "where programs use it; may be the source itself", Required: true, Destination: &o.Mountpoint},
			&cli.StringFlag{Name: "to", Usage: "the destination", Required: true, Destination: &o.Destination},
			&cli.StringFlag{Name: "ack", Usage: "when fsync returns: memory or disk", Value: string(ops.AckMemory), Destination: &ack},
			&cli.Int64Flag{Name: "segment", Usage: "size of a journal segment in bytes", Destination: &o.SegmentSize},
			&cli.IntFlag{Name: "ready-fd", Usage: "descriptor on which to say \"ready\", or in one line what is wrong", Value: -1, Destination: &ready},
			&cli.BoolFlag{Name: "foreground", Usage: "stay in the foreground (it always does)"},
		},
		Action: func(ctx context.Context, _ *cli.Command) error {
			say := newReady(ready)
			o.Root, o.Ack = layout.Root(root), ops.Ack(ack)
			o.Ready = func() { say("ready") }
			err := run(ctx, o)
			if err != nil {
				say(strings.ReplaceAll(err.Error(), "\n", "; "))
			}
			return err
		},
	}
}

func run(ctx context.Context, o serve.Options) error {
	if o.Ack != ops.AckMemory && o.Ack != ops.AckDisk {
		return fmt.Errorf("--ack %s: it is memory or disk", o.Ack)
	}
	if os.Geteuid() != 0 {
		return errors.New("only root can replicate: owners and mounts need it")
	}
	ctx, stop := signal.NotifyContext(ctx, unix.SIGINT, unix.SIGTERM)
	defer stop()
	return serve.Run(ctx, o)
}

// newReady gives what writes one line to a descriptor, once.
func newReady(fd int) func(line string) {
	if fd < 0 {
		return func(string) {}
	}
	f := os.NewFile(uintptr(fd), "ready")
	unix.CloseOnExec(fd)
	said := false
	return func(line string) {
		if said {
			return
		}
		said = true
		fmt.Fprintln(f, line)
		f.Close()
	}
}
