package klwctl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/urfave/cli/v3"

	"klw/internal/control"
	"klw/internal/exitcode"
	"klw/internal/layout"
	"klw/internal/policy"
	"klw/internal/policy/lint"
)

func lintCommand() *cli.Command {
	return &cli.Command{
		Name: "lint", Usage: "look for what the author of a policy may not have meant", ArgsUsage: "ID|FILE",
		Description: "Rules that change nothing, places both writable and executable, circles whose owner lacks the rules, and the like,\n" +
			"each with advice. With --strict the exit code is 10 if there is any.\n\n" +
			"Example:\n   klwctl policy lint klw.policy --bundle apache-bundle\n   klwctl policy lint apache-bundle",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "bundle", Usage: "for the bundle in `DIR`: its capabilities and symbolic links count too"},
			&cli.BoolFlag{Name: "strict", Usage: "end with exit code 10 if there is a warning"},
		},
		ShellComplete: completeIDs, Action: lintPolicy,
	}
}

// warning is one of lint's, for programs.
type warning struct {
	File    string `json:"file"`
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Message string `json:"message"`
	Advice  string `json:"advice"`
}

func lintPolicy(ctx context.Context, c *cli.Command) error {
	args, err := arguments(c, "ID|FILE")
	if err != nil {
		return err
	}
	noticed := lintFile
	if isContainer(root(c), args[0]) {
		noticed = lintContainer
	}
	warnings, err := noticed(ctx, c, args[0])
	if err != nil {
		return coded(err)
	}
	list := []warning{}
	for _, w := range warnings {
		list = append(list, warning{w.Pos.File, w.Pos.Line, w.Pos.Col, w.Text, w.Advice})
	}
	err = show(c, list, func(w io.Writer) {
		for _, warning := range warnings {
			fmt.Fprintln(w, warning)
		}
		if len(warnings) == 0 {
			fmt.Fprintf(w, "%s: no warnings\n", args[0])
		}
	})
	if err == nil && c.Bool("strict") && len(warnings) > 0 {
		err = exitcode.With(exitcode.Warned, fmt.Errorf("%s: %s", args[0], counted(len(warnings), "warning")))
	}
	return err
}

// lintFile looks at a policy in a file.
func lintFile(_ context.Context, c *cli.Command, file string) ([]lint.Warning, error) {
	p, err := parsePolicy(file, root(c))
	if errors.Is(err, os.ErrNotExist) {
		return nil, exitcode.With(exitcode.NotFound, fmt.Errorf("%s is neither a container nor a policy file", file))
	}
	if err != nil {
		return nil, badPolicy(err)
	}
	dir := c.String("bundle")
	if dir == "" {
		return lint.Check(p, lint.Options{}), nil
	}
	spec, err := readSpec(filepath.Join(dir, "config.json"))
	if err != nil {
		return nil, err
	}
	if spec.Root == nil {
		return nil, fmt.Errorf("%s has no root", filepath.Join(dir, "config.json"))
	}
	rootfs := spec.Root.Path
	if !filepath.IsAbs(rootfs) {
		rootfs = filepath.Join(dir, rootfs)
	}
	return lintWith(p, spec, rootfs)
}

// lintContainer looks at the policy in force, with what the container was created from.
func lintContainer(ctx context.Context, c *cli.Command, id string) ([]lint.Warning, error) {
	if c.IsSet("bundle") {
		return nil, usage("--bundle is for a policy file: %s is a container, whose bundle is known", id)
	}
	var texts policy.Texts
	if err := call(ctx, root(c), id, control.MethodPolicyShow, nil, &texts); err != nil {
		return nil, err
	}
	p, err := texts.Parse()
	if err == nil {
		err = p.ResolveHomes(policy.UsualHome)
	}
	if err != nil {
		return nil, err
	}
	dir := root(c).Container(id)
	spec, err := readSpec(dir.Config())
	if err != nil {
		return nil, err
	}
	rootfs, err := rootfsOf(dir)
	if err != nil {
		return nil, err
	}
	warnings, err := lintWith(p, spec, rootfs)
	if err != nil {
		return nil, err
	}
	var idle []policy.FileRule
	if err := call(ctx, root(c), id, control.MethodPolicyIdle, nil, &idle); err != nil {
		return nil, err
	}
	for _, r := range idle {
		warnings = append(warnings, lint.Warning{
			Pos: r.Pos, Text: fmt.Sprintf("%s has decided nothing since it came into force", r),
			Advice: "leave it out if the application has done all that it does",
		})
	}
	return warnings, nil
}

// rootfsOf gives the root file system of a container, as klw-runc wrote it down.
func rootfsOf(dir layout.Dir) (string, error) {
	var state struct {
		Rootfs string `json:"rootfs"`
	}
	text, err := os.ReadFile(dir.State())
	if err == nil {
		err = json.Unmarshal(text, &state)
	}
	return state.Rootfs, err
}

func readSpec(file string) (*specs.Spec, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var spec specs.Spec
	if err := json.Unmarshal(text, &spec); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return &spec, nil
}

// lintWith looks at a policy together with the bundle that it is for.
func lintWith(p *policy.Policy, spec *specs.Spec, folder string) ([]lint.Warning, error) {
	o := lint.Options{}
	if spec.Process != nil && spec.Process.Capabilities != nil {
		caps := spec.Process.Capabilities
		o.Setuid = slices.Contains(caps.Permitted, "CAP_SETUID") || slices.Contains(caps.Bounding, "CAP_SETUID")
	}
	rootfs, err := os.OpenRoot(folder)
	if err != nil {
		return nil, err
	}
	defer rootfs.Close()
	o.Elsewhere = func(path string) bool {
		return leads(rootfs, path) || slices.ContainsFunc(spec.Mounts, func(m specs.Mount) bool {
			bind := m.Type == "bind" || slices.Contains(m.Options, "bind") || slices.Contains(m.Options, "rbind")
			return !bind && policy.Below(path, m.Destination)
		})
	}
	return lint.Check(p, o), nil
}

// leads tells whether a path of a root file system goes through a symbolic link or is one.
func leads(rootfs *os.Root, path string) bool {
	at := "."
	for part := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
		at = filepath.Join(at, part)
		st, err := rootfs.Lstat(at)
		if err != nil {
			return false // nothing is there, or nothing that can be looked at
		}
		if st.Mode()&fs.ModeSymlink != 0 {
			return true
		}
	}
	return false
}
