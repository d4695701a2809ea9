package klwctl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v3"

	"klw/internal/control"
	"klw/internal/exitcode"
	"klw/replicafs/ops"
)

func replicaCommand() *cli.Command {
	return &cli.Command{
		Name: "replica", Usage: "replicate a folder, and ask how far it is",
		Description: "Example:\n   klwctl replica mount /srv/www /srv/www --to /backup/www",
		Commands: []*cli.Command{
			{
				Name: "mount", Usage: "replicate a folder from now on", ArgsUsage: "SOURCE MOUNTPOINT",
				Description: "Programs use the folder at MOUNTPOINT, which may be SOURCE itself. Returns when the first copy is made.\n\n" +
					"Example:\n   klwctl replica mount /srv/www /srv/www --to /backup/www",
				Flags: []cli.Flag{
					&cli.StringFlag{Name: "to", Required: true, Usage: "`FOLDER` that becomes the replica: empty, or this source's already"},
					&cli.StringFlag{Name: "ack", Value: string(ops.AckMemory), Usage: "fsync returns when the journal is in `memory` or on disk (memory, disk)"},
				},
				Action: mountReplica,
			},
			{
				Name: "unmount", Usage: "end a replication in good order", ArgsUsage: "SOURCE",
				Description: "Returns when the replica has everything on disk.\n\nExample:\n   klwctl replica unmount /srv/www",
				Action:      unmountReplica,
			},
			{
				Name: "status", Usage: "show replications: state and lag", ArgsUsage: "[SOURCE]",
				Description: "Example:\n   klwctl replica status --json",
				Action:      replicaStatus,
			},
			{
				Name: "verify", Usage: "compare a source with its replica", ArgsUsage: "SOURCE",
				Description: "Exit code 8 says that they differ.\n\nExample:\n   klwctl replica verify /srv/www",
				Action:      verifyReplica,
			},
			{
				Name: "resync", Usage: "compare a source with its replica completely, and put right what differs", ArgsUsage: "SOURCE",
				Description: "For changes that went past the mount.\n\nExample:\n   klwctl replica resync /srv/www",
				Action:      resyncReplica,
			},
		},
	}
}

// replicaError gives errors of the replications their exit codes.
func replicaError(err error) error {
	switch {
	case errors.Is(err, ops.ErrNotReplicated):
		return exitcode.With(exitcode.NotFound, err)
	case errors.Is(err, control.ErrNotRunning):
		return exitcode.With(exitcode.NotRunning, err)
	}
	return coded(err)
}

func mountReplica(ctx context.Context, c *cli.Command) error {
	args, err := arguments(c, "SOURCE", "MOUNTPOINT")
	if err != nil {
		return err
	}
	ack := ops.Ack(c.String("ack"))
	if ack != ops.AckMemory && ack != ops.AckDisk {
		return usage("--ack %q, expected memory or disk", ack)
	}
	s, err := ops.Mount(ctx, ops.MountOptions{
		Root: root(c), Source: args[0], Mountpoint: args[1], Destination: c.String("to"), Ack: ack,
	})
	if err != nil {
		return replicaError(err)
	}
	return show(c, s, func(w io.Writer) { printReplica(w, s) })
}

func unmountReplica(ctx context.Context, c *cli.Command) error {
	args, err := arguments(c, "SOURCE")
	if err != nil {
		return err
	}
	if err := ops.Unmount(ctx, root(c), args[0]); err != nil {
		return replicaError(err)
	}
	return show(c, map[string]string{"source": args[0], "state": "stopped"}, func(w io.Writer) {
		fmt.Fprintf(w, "%s: the replication has ended\n", args[0])
	})
}

func replicaStatus(ctx context.Context, c *cli.Command) error {
	args, err := arguments(c, "[SOURCE]")
	if err != nil {
		return err
	}
	var list []ops.Status
	if args[0] == "" {
		list, err = ops.StatusAll(ctx, root(c))
	} else {
		list = make([]ops.Status, 1)
		list[0], err = ops.StatusOf(ctx, root(c), args[0])
	}
	if err != nil {
		return replicaError(err)
	}
	return show(c, list, func(w io.Writer) {
		if len(list) == 0 {
			fmt.Fprintf(w, "nothing is replicated in %s\n", root(c))
		}
		for _, s := range list {
			printReplica(w, s)
		}
	})
}

func printReplica(w io.Writer, s ops.Status) {
	fmt.Fprintf(w, "%s\n", clean(s.Source))
	state := s.State
	if s.PID != 0 {
		state += fmt.Sprintf(", pid %d and %d", s.PID, s.Applier)
	}
	fmt.Fprintf(w, "  state\t%s\n", state)
	if s.Error != "" {
		fmt.Fprintf(w, "  error\t%s\n", clean(s.Error))
	}
	fmt.Fprintf(w, "  mounted on\t%s\n  replica\t%s\n  ack\t%s\n", clean(s.Mountpoint), clean(s.Destination), s.Ack)
	if s.Copy != nil {
		fmt.Fprintf(w, "  copying\t%d of %d files, %d bytes in all\n", s.Copy.FilesDone, s.Copy.Files, s.Copy.Bytes)
	}
	if s.State == "stopped" || s.State == "dead" {
		return
	}
	fmt.Fprintf(w, "  journal\t%d operations; the replica has %d, on disk %d\n", s.Sequence, s.Applied, s.Durable)
	fmt.Fprintf(w, "  lag\t%d operations, %.3f s\n", s.Lag, s.LagSeconds)
	if s.Restarts > 0 {
		fmt.Fprintf(w, "  restarts\t%d of klw-replica\n", s.Restarts)
	}
}

func resyncReplica(ctx context.Context, c *cli.Command) error {
	args, err := arguments(c, "SOURCE")
	if err != nil {
		return err
	}
	if err := ops.Resync(ctx, root(c), args[0]); err != nil {
		return replicaError(err)
	}
	return show(c, map[string]string{"source": args[0]}, func(w io.Writer) {
		fmt.Fprintf(w, "%s was compared with its replica; klwctl replica status tells when all of it is applied\n", clean(args[0]))
	})
}

func verifyReplica(ctx context.Context, c *cli.Command) error {
	args, err := arguments(c, "SOURCE")
	if err != nil {
		return err
	}
	r, err := ops.Verify(ctx, root(c), args[0])
	if err != nil {
		return replicaError(err)
	}
	err = show(c, r, func(w io.Writer) {
		fmt.Fprintf(w, "%s and %s: %d objects, %d bytes, %d differences\n", clean(r.Source), clean(r.Destination), r.Objects, r.Bytes, len(r.Differences))
		for _, d := range r.Differences {
			line := fmt.Sprintf("  %s\t%s\t%s\t%s", clean(d.Path), d.What, clean(d.Source), clean(d.Destination))
			fmt.Fprintln(w, strings.TrimRight(line, "\t"))
		}
	})
	if err == nil && !r.Equal() {
		err = exitcode.With(exitcode.Differs, errors.New(""))
	}
	return err
}
