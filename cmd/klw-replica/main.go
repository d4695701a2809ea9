// Command klw-replica applies the journal of a replication to its destination. klw-replicafs starts it.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	"github.com/urfave/cli/v3"
	"golang.org/x/sys/unix"

	"klw/replicafs/worker"
)

func main() {
	var o worker.Options
	cmd := &cli.Command{
		Name:  "klw-replica",
		Usage: "apply a journal to its destination (klw-replicafs starts it, with the socket and the source as descriptors)",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "journal", Usage: "folder of the journal", Required: true, Destination: &o.Journal},
			&cli.StringFlag{Name: "to", Usage: "the destination", Required: true, Destination: &o.Destination},
			&cli.StringFlag{Name: "uuid", Usage: "which replication the destination must belong to", Required: true, Destination: &o.UUID},
		},
		Action: func(context.Context, *cli.Command) error {
			unix.Umask(0)
			signal.Ignore(unix.SIGINT, unix.SIGTERM, unix.SIGHUP) // klw-replicafs says when to end
			return worker.Run(o)
		},
	}
	if err := cmd.Run(context.Background(), os.Args); err != nil {
		fmt.Fprintf(os.Stderr, "klw-replica: %v\n", err)
		os.Exit(1)
	}
}
