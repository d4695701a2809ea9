package klwctl

import (
	"context"
	"fmt"
	"io"

	"github.com/urfave/cli/v3"

	"klw/internal/control"
)

func moduleCommand() *cli.Command {
	return &cli.Command{
		Name: "module", Usage: "list, load and unload the modules of a guard",
		Description: "Example:\n   klwctl module list apache-bundle",
		Commands: []*cli.Command{
			{
				Name: "list", Usage: "list modules, loaded or not", ArgsUsage: "ID",
				Description:   "Example:\n   klwctl module list apache-bundle",
				ShellComplete: completeIDs, Action: listModules,
			},
			{
				Name: "load", Usage: "put a module into force", ArgsUsage: "ID NAME",
				Description:   "An event records it.\n\nExample:\n   klwctl module load apache-bundle audit",
				ShellComplete: completeIDs, Action: loadModule,
			},
			{
				Name: "unload", Usage: "take a module out of force", ArgsUsage: "ID NAME",
				Description: "What the module guards is open until it is loaded again; an event records it. Every module but audit\n" +
					"needs --yes. The module seal can't be unloaded.\n\nExample:\n   klwctl module unload apache-bundle audit",
				Flags:         []cli.Flag{&cli.BoolFlag{Name: "yes", Usage: "yes, stop enforcing"}},
				ShellComplete: completeIDs, Action: unloadModule,
			},
		},
	}
}

func modulesOf(ctx context.Context, c *cli.Command, id string) (list []control.Module, err error) {
	err = call(ctx, root(c), id, control.MethodModuleList, nil, &list)
	return list, err
}

func listModules(ctx context.Context, c *cli.Command) error {
	args, err := arguments(c, "ID")
	if err != nil {
		return err
	}
	list, err := modulesOf(ctx, c, args[0])
	if err != nil {
		return err
	}
	return show(c, list, func(w io.Writer) {
		fmt.Fprintln(w, "ID\tNAME\tMASTER\tCALLS\tREFUSED\tDESCRIPTION\tMONITORS")
		for _, m := range list {
			id, calls := "-", "-"
			if m.Loaded {
				id = fmt.Sprint(m.ID)
			}
			if m.Loaded && m.Master == "files" { // the kernel's modules aren't called
				calls = fmt.Sprint(m.Calls)
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%s\t%s\n", id, m.Name, m.Master, calls, m.Refused, m.Description, m.Monitors)
		}
	})
}

func loadModule(ctx context.Context, c *cli.Command) error {
	args, err := arguments(c, "ID", "NAME")
	if err != nil {
		return err
	}
	return changeModule(ctx, c, args[0], args[1], control.MethodModuleLoad, "loaded")
}

func unloadModule(ctx context.Context, c *cli.Command) error {
	args, err := arguments(c, "ID", "NAME")
	if err != nil {
		return err
	}
	id, name := args[0], args[1]
	if name != "audit" && !c.Bool("yes") {
		return usage("unloading %s means that %s is no longer held to what it guards: add --yes if that is wanted", name, id)
	}
	return changeModule(ctx, c, id, name, control.MethodModuleUnload, "unloaded")
}

func changeModule(ctx context.Context, c *cli.Command, id, name, method, done string) error {
	if err := call(ctx, root(c), id, method, control.Name{Name: name}, nil); err != nil {
		return err
	}
	result := map[string]any{"container": id, "module": name, "loaded": done == "loaded"}
	return show(c, result, func(w io.Writer) { fmt.Fprintf(w, "%s: module %s is %s\n", id, name, done) })
}
