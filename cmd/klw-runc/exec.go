package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/urfave/cli/v3"

	"klw/runtime"
)

// execError is the exit code of exec for errors of klw-runc itself, as runc has it.
const execError = 255

func execCommand() *cli.Command {
	one := 1
	return &cli.Command{
		Name: "exec", Usage: "run one more process in a container", ArgsUsage: "ID COMMAND [ARG...] | --process FILE ID",
		Description:  "The process is as config.json has it but for what the flags change.\n\n   klw-runc exec -t web sh",
		StopOnNthArg: &one,
		// A value of --env may hold commas.
		DisableSliceFlagSeparator: true,
		Flags: append(processFlags(),
			&cli.StringFlag{Name: "cwd", Usage: "working `DIR` in the container"},
			&cli.StringSliceFlag{Name: "env", Aliases: []string{"e"}, Usage: "set `NAME=VALUE`"},
			&cli.BoolFlag{Name: "tty", Aliases: []string{"t"}, Usage: "give the process a terminal"},
			&cli.StringFlag{Name: "user", Aliases: []string{"u"}, Usage: "run as `UID[:GID]`"},
			&cli.Int64SliceFlag{Name: "additional-gids", Aliases: []string{"g"}, Usage: "add `GID` to its groups"},
			&cli.StringFlag{Name: "process", Aliases: []string{"p"}, Usage: "take the process from `FILE` (JSON, as in config.json)"},
			&cli.BoolFlag{Name: "detach", Aliases: []string{"d"}, Usage: "return when the process runs"},
			&cli.StringFlag{Name: "process-label", Usage: "SELinux label"},
			&cli.StringFlag{Name: "apparmor", Usage: "AppArmor profile"},
			&cli.BoolFlag{Name: "no-new-privs", Usage: "let it gain no privileges"},
			&cli.StringSliceFlag{Name: "cap", Aliases: []string{"c"}, Usage: "add the capability `CAP_NAME`"},
			&cli.BoolFlag{Name: "ignore-paused", Usage: "accepted for engines; containers can't be paused yet"},
		),
		Action: func(_ context.Context, cmd *cli.Command) error {
			status, err := execProcess(cmd)
			if err != nil {
				return codedError{fmt.Errorf("exec failed: %w", err), execError}
			}
			if status != 0 {
				return exitStatus(status)
			}
			return nil
		},
	}
}

func execProcess(cmd *cli.Command) (int, error) {
	root, err := root(cmd)
	if err != nil {
		return 0, err
	}
	c, err := runtime.Open(root, cmd.Args().First())
	if err != nil {
		return 0, err
	}
	spec, err := c.Process()
	if err != nil {
		return 0, err
	}
	if spec, err = changeProcess(cmd, spec); err != nil {
		return 0, err
	}
	p, err := newProcess(cmd, spec, cmd.Bool("detach"))
	if err != nil {
		return 0, err
	}
	defer p.close()
	if !p.detach {
		p.watchSignals(false)
	}
	process, err := c.Exec(runtime.ExecOptions{Process: spec, Stdio: p.stdio, Warn: logWarning})
	if err != nil {
		return 0, err
	}
	defer process.Close()
	status, err := p.follow(process)
	if err != nil {
		_ = process.Kill()
	}
	return status, err
}

// changeProcess makes the process to run from the container's own and the flags.
func changeProcess(cmd *cli.Command, p *specs.Process) (*specs.Process, error) {
	if file := cmd.String("process"); file != "" {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("--process: %w", err)
		}
		p = new(specs.Process)
		if err := json.Unmarshal(text, p); err != nil {
			return nil, fmt.Errorf("--process %s: %w", file, err)
		}
		return p, nil
	}
	if cmd.NArg() < 2 {
		return nil, errors.New("what to run is missing: klw-runc exec ID COMMAND [ARG...]")
	}
	p.Args = cmd.Args().Slice()[1:]
	p.Terminal = cmd.Bool("tty")
	p.Env = append(p.Env, cmd.StringSlice("env")...)
	setString(&p.Cwd, cmd.String("cwd"))
	setString(&p.SelinuxLabel, cmd.String("process-label"))
	setString(&p.ApparmorProfile, cmd.String("apparmor"))
	if cmd.IsSet("no-new-privs") {
		p.NoNewPrivileges = cmd.Bool("no-new-privs")
	}
	addCapabilities(p, cmd.StringSlice("cap"))
	return p, changeUser(&p.User, cmd.String("user"), cmd.Int64Slice("additional-gids"))
}

func setString(to *string, value string) {
	if value != "" {
		*to = value
	}
}

func addCapabilities(p *specs.Process, names []string) {
	if len(names) == 0 {
		return
	}
	if p.Capabilities == nil {
		p.Capabilities = new(specs.LinuxCapabilities)
	}
	c := p.Capabilities
	c.Bounding = append(c.Bounding, names...)
	c.Effective = append(c.Effective, names...)
	c.Permitted = append(c.Permitted, names...)
	if c.Inheritable != nil { // ambient ones must be inheritable
		c.Ambient = append(c.Ambient, names...)
	}
}

func changeUser(u *specs.User, text string, groups []int64) error {
	for _, g := range groups {
		if g < 0 || g >= 1<<32-1 {
			return fmt.Errorf("--additional-gids: %d is not a group's id", g)
		}
		u.AdditionalGids = append(u.AdditionalGids, uint32(g))
	}
	if text == "" {
		return nil
	}
	uid, gid, hasGID := strings.Cut(text, ":")
	n, err := strconv.ParseUint(uid, 10, 32)
	if err != nil {
		return fmt.Errorf("--user %q: expected UID or UID:GID as numbers", text)
	}
	u.UID = uint32(n)
	if hasGID {
		if n, err = strconv.ParseUint(gid, 10, 32); err != nil {
			return fmt.Errorf("--user %q: expected UID or UID:GID as numbers", text)
		}
		u.GID = uint32(n)
	}
	return nil
}
