package seccomp

import (
	"fmt"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// profile is the OCI section, checked and in our own terms.
type profile struct {
	otherwise action
	archs     [numArchs]bool
	flags     uint
	calls     []call
}

// call is one entry of the profile's list of calls.
type call struct {
	names []int // indices of the names that are known
	rules []rule
}

const (
	maxArgs  = 6
	maxErrno = 4095  // what the kernel takes for SECCOMP_RET_ERRNO
	maxData  = 65535 // what fits into an action
)

// parse checks a section. Every error names the place in config.json.
func parse(s *specs.LinuxSeccomp) (p profile, err error) {
	if p.otherwise, err = parseAction("defaultAction", "defaultErrnoRet", s.DefaultAction, s.DefaultErrnoRet); err != nil {
		return p, fmt.Errorf("linux.seccomp.%w", err)
	}
	if isNotify(p.otherwise) {
		return p, fmt.Errorf("linux.seccomp.defaultAction: %s can't be the default", specs.ActNotify)
	}
	if err = p.parseArchs(s.Architectures); err != nil {
		return p, err
	}
	if err = p.parseCalls(s.Syscalls); err != nil {
		return p, err
	}
	notifies := p.notifies()
	if notifies && s.ListenerPath == "" {
		return p, fmt.Errorf("linux.seccomp.listenerPath: missing, though an action is %s", specs.ActNotify)
	}
	return p, p.parseFlags(s.Flags, notifies)
}

// notifies tells whether an entry needs a listener.
func (p *profile) notifies() bool {
	return slices.ContainsFunc(p.calls, func(c call) bool { return isNotify(c.rules[0].act) })
}

func (p *profile) parseArchs(list []specs.Arch) error {
	p.archs[native()] = true
	for i, name := range list {
		a, ok := find(archWords[:], string(name))
		if !ok {
			return fmt.Errorf("linux.seccomp.architectures[%d]: unknown architecture %q, expected one of %s", i, name,
				expected(archWords[:]))
		}
		if a < numArchs {
			p.archs[a] = true
		}
	}
	return nil
}

// parseFlags takes no list at all for SPEC_ALLOW, as runc does, and an empty one for no flag.
func (p *profile) parseFlags(list []specs.LinuxSeccompFlag, notifies bool) error {
	if list == nil {
		list = []specs.LinuxSeccompFlag{specs.LinuxSeccompFlagSpecAllow}
	}
	for i, name := range list {
		f, ok := find(flagWords[:], string(name))
		if !ok {
			return fmt.Errorf("linux.seccomp.flags[%d]: unknown flag %q, expected one of %s", i, name, expected(flagWords[:]))
		}
		p.flags |= f
	}
	if notifies {
		p.flags |= unix.SECCOMP_FILTER_FLAG_NEW_LISTENER
	} else { // without a listener there is nothing to wait for, and the kernel would refuse the flag
		p.flags &^= unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
	}
	return nil
}

func (p *profile) parseCalls(list []specs.LinuxSyscall) error {
	p.calls = make([]call, 0, len(list))
	for i, s := range list {
		c, err := parseCall(s, i)
		if err != nil {
			return fmt.Errorf("linux.seccomp.syscalls[%d].%w", i, err)
		}
		p.calls = append(p.calls, c)
	}
	return nil
}

// parseCall reads an entry. Unknown names are left out: a profile may know more calls than klw.
func parseCall(s specs.LinuxSyscall, place int) (c call, err error) {
	act, err := parseAction("action", "errnoRet", s.Action, s.ErrnoRet)
	if err != nil {
		return c, err
	}
	c.names = make([]int, 0, len(s.Names))
	for i, name := range s.Names {
		switch {
		case name == "":
			return c, fmt.Errorf("names[%d]: empty, expected a system call's name", i)
		case name == "write" && isNotify(act):
			return c, fmt.Errorf("names[%d]: write can't be %s: the container could not be started", i, specs.ActNotify)
		}
		if index, ok := lookup(name); ok {
			c.names = append(c.names, index)
		}
	}
	alts, err := parseArgs(s.Args)
	for _, conds := range alts {
		c.rules = append(c.rules, rule{conds, act, place})
	}
	return c, err
}

// parseArgs gives the sets of conditions of an entry. As with runc, all conditions must hold; but if two are about the
// same argument, any one of all is enough.
func parseArgs(list []specs.LinuxSeccompArg) ([][]cond, error) {
	var all []cond
	var seen [maxArgs]bool
	either := false
	for i, a := range list {
		o, ok := find(operatorWords[:], string(a.Op))
		switch {
		case !ok:
			return nil, fmt.Errorf("args[%d].op: unknown operator %q, expected one of %s", i, a.Op,
				expected(operatorWords[:]))
		case a.Index >= maxArgs:
			return nil, fmt.Errorf("args[%d].index: %d, expected 0 to %d", i, a.Index, maxArgs-1)
		}
		c := cond{arg: uint8(a.Index), op: o, value: a.Value}
		if o == opMasked {
			c.mask, c.value = a.Value, a.ValueTwo
		}
		either = either || seen[c.arg]
		seen[c.arg] = true
		all = append(all, c)
	}
	if !either {
		return [][]cond{all}, nil
	}
	alts := make([][]cond, len(all))
	for i := range all {
		alts[i] = all[i : i+1]
	}
	return alts, nil
}

// parseAction reads an action and its errno, which config.json has under those two names.
func parseAction(field, errnoField string, name specs.LinuxSeccompAction, errno *uint) (action, error) {
	act, ok := find(actionWords[:], string(name))
	if !ok {
		return 0, fmt.Errorf("%s: unknown action %q, expected one of %s", field, name, expected(actionWords[:]))
	}
	data, limit := uint(unix.EPERM), uint(maxErrno)
	switch act {
	case unix.SECCOMP_RET_ERRNO:
	case unix.SECCOMP_RET_TRACE:
		limit = maxData
	default:
		if errno != nil {
			return 0, fmt.Errorf("%s: %s takes no errno", errnoField, name)
		}
		return act, nil
	}
	if errno != nil {
		data = *errno
	}
	if data > limit {
		return 0, fmt.Errorf("%s: %d, expected 0 to %d", errnoField, data, limit)
	}
	return act | action(data), nil
}

func isNotify(a action) bool { return a&unix.SECCOMP_RET_ACTION_FULL == unix.SECCOMP_RET_USER_NOTIF }
