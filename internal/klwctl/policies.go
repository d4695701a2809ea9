package klwctl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/urfave/cli/v3"

	"klw/internal/control"
	"klw/internal/exitcode"
	"klw/internal/guard/explain"
	"klw/internal/layout"
	"klw/internal/policy"
)

func policyCommand() *cli.Command {
	return &cli.Command{
		Name: "policy", Usage: "check, load, compare, show and explain policies",
		Description: "Example:\n   klwctl policy check apache-bundle/klw.policy",
		Commands: []*cli.Command{
			{
				Name: "check", Usage: "read a policy and print every mistake", ArgsUsage: "FILE",
				Description: "Example:\n   klwctl policy check apache-bundle/klw.policy",
				Action:      checkPolicy,
			},
			testCommand(), lintCommand(),
			{
				Name: "show", Usage: "print the policy in force", ArgsUsage: "ID",
				Description:   "Example:\n   klwctl policy show apache-bundle",
				ShellComplete: completeIDs, Action: showPolicy,
			},
			loadCommand(), clearCommand(), diffCommand(),
			{
				Name: "explain", Usage: "say whether something is allowed, and by which rule",
				ArgsUsage: "ID|FILE file PATH PERMISSION... | ID|FILE socket tcp|udp|unix connect|listen ADDRESS | ID|FILE process setuid USER|syscall NAME|exec PATH",
				Description: "Asks the guard of a container, or a policy file. Exit code 5 says that it would be refused.\n\n" +
					"Example:\n   klwctl policy explain apache-bundle file /etc/shadow read --user www-data\n" +
					"   klwctl policy explain klw.policy socket tcp connect 10.0.0.1:5432\n" +
					"   klwctl policy explain apache-bundle process setuid root --user www-data",
				Flags:         []cli.Flag{&cli.StringFlag{Name: "user", Usage: "for `USER`, a name or a number (else: a user without rules of his own)"}},
				ShellComplete: completeIDs, Action: explainPolicy,
			},
			learnCommand(),
		},
	}
}

// mistake is one of a policy's mistakes, for programs.
type mistake struct {
	File     string `json:"file"`
	Line     int    `json:"line"`
	Column   int    `json:"column"`
	Message  string `json:"message"`
	Expected string `json:"expected,omitempty"`
}

func checkPolicy(_ context.Context, c *cli.Command) error {
	args, err := arguments(c, "FILE")
	if err != nil {
		return err
	}
	result := struct {
		File     string    `json:"file"`
		OK       bool      `json:"ok"`
		Mistakes []mistake `json:"mistakes"`
	}{File: args[0], Mistakes: []mistake{}}
	_, err = parsePolicy(args[0], root(c))
	var list policy.ErrorList
	if err != nil && !errors.As(err, &list) {
		return err
	}
	for _, e := range list {
		result.Mistakes = append(result.Mistakes, mistake{e.Pos.File, e.Pos.Line, e.Pos.Col, e.Msg, e.Expected})
	}
	result.OK = len(list) == 0
	err = show(c, result, func(w io.Writer) {
		if result.OK {
			fmt.Fprintf(w, "%s: no mistakes\n", args[0])
			return
		}
		fmt.Fprintln(w, list.Error())
	})
	if err == nil && !result.OK {
		err = exitcode.With(exitcode.BadPolicy, fmt.Errorf("%s: %d mistakes", args[0], len(list)))
	}
	return err
}

func parsePolicy(file string, root layout.Root) (*policy.Policy, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	p, err := policy.ParseWith(file, text, policy.FolderResolver(os.DirFS(root.Policies())))
	if err != nil {
		return nil, err
	}
	return p, p.ResolveHomes(policy.UsualHome)
}

// badPolicy gives a policy's mistakes their exit code, and one that can't be read none.
func badPolicy(err error) error {
	var list policy.ErrorList
	if errors.As(err, &list) {
		return exitcode.With(exitcode.BadPolicy, err)
	}
	return err
}

func showPolicy(ctx context.Context, c *cli.Command) error {
	args, err := arguments(c, "ID")
	if err != nil {
		return err
	}
	var texts policy.Texts
	if err := call(ctx, root(c), args[0], control.MethodPolicyShow, nil, &texts); err != nil {
		return err
	}
	if c.Bool("json") {
		return printJSON(c.Root().Writer, texts)
	}
	_, err = io.WriteString(c.Root().Writer, texts.Text) // as it is written, tabs and all
	return err
}

func explainPolicy(ctx context.Context, c *cli.Command) error {
	q, target, err := question(c)
	if err != nil {
		return err
	}
	var a control.Answer
	if isContainer(root(c), target) {
		err = call(ctx, root(c), target, control.MethodPolicyExplain, q, &a)
	} else {
		a, err = explainFile(target, root(c), q)
	}
	if err != nil {
		return coded(err)
	}
	err = show(c, a, func(w io.Writer) { fmt.Fprintln(w, a.Text) })
	if err == nil && !a.Allowed {
		err = exitcode.With(exitcode.Refused, errors.New(""))
	}
	return err
}

// question reads the command's arguments.
func question(c *cli.Command) (q control.Question, target string, err error) {
	args := c.Args().Slice()
	wrong := usage("usage: %s %s [--user USER]", c.FullName(), c.ArgsUsage)
	if len(args) < 4 {
		return q, "", wrong
	}
	q = control.Question{Kind: args[1], User: c.String("user")}
	switch {
	case q.Kind == "file":
		q.Path, q.Perm = args[2], strings.Join(args[3:], " ")
	case q.Kind == "socket" && len(args) == 5:
		q.Protocol, q.Action, q.Address = args[2], args[3], args[4]
	case q.Kind == "process" && len(args) == 4:
		q.Action, q.To, q.Call, q.Path = args[2], args[3], args[3], args[3]
	case q.Kind == "file", q.Kind == "socket", q.Kind == "process":
		return q, "", wrong
	default:
		return q, "", usage("kind %q, expected file, socket or process", q.Kind)
	}
	return q, args[0], nil
}

// isContainer tells an id from a file: a name without a slash that is a container's.
func isContainer(root layout.Root, name string) bool {
	if checkID(name) != nil {
		return false
	}
	_, err := os.Stat(string(root.Container(name)))
	return err == nil
}

func explainFile(file string, root layout.Root, q control.Question) (control.Answer, error) {
	p, err := parsePolicy(file, root)
	if errors.Is(err, os.ErrNotExist) {
		return control.Answer{}, exitcode.With(exitcode.NotFound, fmt.Errorf("%s is neither a container nor a policy file", file))
	}
	if err != nil {
		return control.Answer{}, badPolicy(err)
	}
	return explain.FromPolicy(p).Answer(q)
}
