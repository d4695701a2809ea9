package klwctl

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/urfave/cli/v3"

	"klw/internal/control"
)

// guardStatus is one entry of klwctl status.
type guardStatus struct {
	Container string          `json:"container"`
	Guard     *control.Status `json:"guard,omitempty"`
	Error     string          `json:"error,omitempty"` // why there is no Guard
}

func statusCommand() *cli.Command {
	return &cli.Command{
		Name: "status", Usage: "show guards: views, modules, counters, what isn't enforced", ArgsUsage: "[ID]",
		Description:   "Without ID: every container of the root that has a guard.\n\nExample:\n   klwctl status apache-bundle",
		ShellComplete: completeIDs,
		Action: func(ctx context.Context, c *cli.Command) error {
			args, err := arguments(c, "[ID]")
			if err != nil {
				return err
			}
			if id := args[0]; id != "" {
				var s control.Status
				if err := call(ctx, root(c), id, control.MethodStatus, nil, &s); err != nil {
					return err
				}
				return show(c, guardStatus{Container: id, Guard: &s}, func(w io.Writer) { printStatus(w, &s) })
			}
			return statusOfAll(ctx, c)
		},
	}
}

func statusOfAll(ctx context.Context, c *cli.Command) error {
	ids, err := guarded(root(c))
	if err != nil {
		return err
	}
	list := []guardStatus{}
	for _, id := range ids {
		e := guardStatus{Container: id}
		var s control.Status
		if err := call(ctx, root(c), id, control.MethodStatus, nil, &s); err != nil {
			e.Error = err.Error()
		} else {
			e.Guard = &s
		}
		list = append(list, e)
	}
	return show(c, list, func(w io.Writer) {
		if len(list) == 0 {
			fmt.Fprintf(w, "no container with a guard in %s\n", root(c))
		}
		for _, e := range list {
			if e.Guard == nil {
				fmt.Fprintf(w, "%s\n  error\t%s\n", clean(e.Container), clean(e.Error))
				continue
			}
			printStatus(w, e.Guard)
		}
	})
}

func printStatus(w io.Writer, s *control.Status) {
	fmt.Fprintf(w, "%s\n", s.Container)
	fmt.Fprintf(w, "  application\t%s\n", clean(s.Application))
	if s.Compartment != "" {
		fmt.Fprintf(w, "  compartment\t%s\n", clean(s.Compartment))
	}
	fmt.Fprintf(w, "  guard\t%s for %s, pid %d, log level %s\n", s.State, time.Since(s.Since).Round(time.Second), s.PID, s.LogLevel)
	fmt.Fprintf(w, "  policy\t%s\n", clean(s.Policy))
	for _, v := range s.Views {
		fmt.Fprintf(w, "  view\t%s\n", viewLine(v))
	}
	for _, m := range s.Modules {
		fmt.Fprintf(w, "  module\t%s\n", moduleLine(m))
	}
	for _, r := range s.Replicas {
		state := "runs"
		if !r.Alive {
			state = "ENDED: the folder is closed"
		}
		fmt.Fprintf(w, "  replica\t%s -> %s, %s (pid %d)\n", clean(r.Source), clean(r.Destination), state, r.PID)
	}
	lines(w, "published", s.Published)
	fmt.Fprintf(w, "  events\t%d recorded, %d lines, %d lost\n", s.Events.Recorded, s.Events.Lines, s.Events.Lost)
	lines(w, "NOT ENFORCED", s.NotEnforced)
	lines(w, "warning", s.Warnings)
}

func viewLine(v control.View) string {
	line := fmt.Sprintf("%s <- %s, %s", clean(v.Destination), clean(v.Source), v.Mode)
	if v.ReadOnly {
		line += ", read-only"
	}
	if v.Passthrough {
		line += ", passthrough"
	} else {
		line += ", no passthrough: " + v.Why
	}
	if !v.Alive {
		line += ", ended"
	}
	return line
}

func moduleLine(m control.Module) string {
	state := "not loaded"
	if m.Loaded {
		state = fmt.Sprintf("id %d", m.ID)
		if m.Master == "files" {
			state += fmt.Sprintf(", %d calls", m.Calls)
		}
		state += fmt.Sprintf(", %d refused", m.Refused)
	}
	if m.Permanent {
		state += ", permanent"
	}
	return fmt.Sprintf("%s (%s): %s", m.Name, state, m.Description)
}
