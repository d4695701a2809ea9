package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/urfave/cli/v3"

	"klw/bundle"
	"klw/runtime"
)

// shown is a container as state and list show it: the specification's fields, and those that runc adds.
type shown struct {
	Version     string               `json:"ociVersion"`
	ID          string               `json:"id"`
	PID         int                  `json:"pid"`
	Status      specs.ContainerState `json:"status"`
	Bundle      string               `json:"bundle"`
	Rootfs      string               `json:"rootfs"`
	Created     time.Time            `json:"created"`
	Annotations map[string]string    `json:"annotations,omitempty"`
	Owner       string               `json:"owner"`
	Policy      string               `json:"policy,omitempty"`
}

func show(c *runtime.Container) shown {
	s := c.OCI()
	return shown{Version: s.Version, ID: s.ID, PID: s.Pid, Status: s.Status, Bundle: s.Bundle, Rootfs: c.State.Rootfs,
		Created: c.State.Created, Annotations: s.Annotations, Owner: c.State.Owner, Policy: c.State.Policy}
}

func stateCommand() *cli.Command {
	return &cli.Command{
		Name: "state", Usage: "show the state of a container as JSON", ArgsUsage: "ID",
		Action: func(_ context.Context, cmd *cli.Command) error {
			c, err := open(cmd)
			if err != nil {
				return err
			}
			return printJSON(cmd, show(c))
		},
	}
}

func listCommand() *cli.Command {
	return &cli.Command{
		Name: "list", Usage: "list the containers of a root",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "format", Aliases: []string{"f"}, Value: "table", Usage: "table or json"},
			&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "show ids only"},
		},
		Action: list,
	}
}

func list(_ context.Context, cmd *cli.Command) error {
	root, err := root(cmd)
	if err != nil {
		return err
	}
	containers, unread := runtime.List(root)
	if unread != nil {
		logWarning(unread.Error())
	}
	all := []shown{}
	for _, c := range containers {
		all = append(all, show(c))
	}
	out := cmd.Root().Writer
	switch format := cmd.String("format"); {
	case cmd.Bool("quiet"):
		for _, s := range all {
			fmt.Fprintln(out, s.ID)
		}
	case format == "json":
		return json.NewEncoder(out).Encode(all)
	case format == "table":
		w := tabwriter.NewWriter(out, 12, 1, 3, ' ', 0)
		fmt.Fprint(w, "ID\tPID\tSTATUS\tBUNDLE\tCREATED\tOWNER\n")
		for _, s := range all {
			fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\t%s\n", s.ID, s.PID, s.Status, s.Bundle, s.Created.Format(time.RFC3339Nano), s.Owner)
		}
		return w.Flush()
	default:
		return fmt.Errorf("--format %q, expected table or json", format)
	}
	return nil
}

func specCommand() *cli.Command {
	return &cli.Command{
		Name: "spec", Usage: "write a config.json to start from",
		Flags:  []cli.Flag{&cli.StringFlag{Name: "bundle", Aliases: []string{"b"}, Value: ".", Usage: "the `DIR` to write it to"}},
		Action: spec,
	}
}

func spec(_ context.Context, cmd *cli.Command) error {
	text, err := json.MarshalIndent(bundle.Example(), "", "\t")
	if err != nil {
		return err
	}
	path := filepath.Join(cmd.String("bundle"), bundle.ConfigName)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s exists already: remove it first", path)
	}
	if err != nil {
		return err
	}
	_, err = f.Write(append(text, '\n'))
	return errors.Join(err, f.Close())
}

func printJSON(cmd *cli.Command, v any) error {
	e := json.NewEncoder(cmd.Root().Writer)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
