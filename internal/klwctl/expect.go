package klwctl

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v3"

	"klw/internal/control"
	"klw/internal/exitcode"
	"klw/internal/guard/explain"
)

func testCommand() *cli.Command {
	return &cli.Command{
		Name: "test", Usage: "ask a policy what its section @test expects", ArgsUsage: "FILE",
		Description: "Exit code 9 says that something is allowed that should be refused, or the other way round. No container\n" +
			"is needed: users are known as the policy names them, symbolic links are not followed.\n\n" +
			"Example:\n   klwctl policy test klw.policy",
		Action: testPolicy,
	}
}

// unmet is an expectation that isn't met, for programs.
type unmet struct {
	File     string         `json:"file"`
	Line     int            `json:"line"`
	Column   int            `json:"column"`
	Expected string         `json:"expected"` // the line
	Answer   control.Answer `json:"answer"`
}

func testPolicy(_ context.Context, c *cli.Command) error {
	args, err := arguments(c, "FILE")
	if err != nil {
		return err
	}
	p, err := parsePolicy(args[0], root(c))
	if err != nil {
		return badPolicy(err)
	}
	failed, err := explain.FromPolicy(p).Unmet(p.Tests)
	if err != nil {
		return err
	}
	result := struct {
		File         string  `json:"file"`
		OK           bool    `json:"ok"`
		Expectations int     `json:"expectations"`
		Unmet        []unmet `json:"unmet"`
	}{args[0], len(failed) == 0, len(p.Tests), []unmet{}}
	for _, f := range failed {
		result.Unmet = append(result.Unmet, unmet{f.Pos.File, f.Pos.Line, f.Pos.Col, f.Expectation.String(), f.Answer})
	}
	all := counted(len(p.Tests), "expectation")
	err = show(c, result, func(w io.Writer) {
		for _, u := range result.Unmet {
			fmt.Fprintf(w, "%s:%d: %s\n   %s\n", u.File, u.Line, u.Expected, strings.ReplaceAll(u.Answer.Text, "\n", "\n   "))
		}
		if result.OK {
			fmt.Fprintf(w, "%s: %s, all met\n", args[0], all)
		}
	})
	if err == nil && !result.OK {
		err = exitcode.With(exitcode.Unmet, fmt.Errorf("%s: %s, %d not met", args[0], all, len(failed)))
	}
	return err
}

// counted gives a number of things in words.
func counted(n int, thing string) string {
	switch n {
	case 0:
		return "no " + thing + "s"
	case 1:
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
