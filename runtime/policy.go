package runtime

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"klw/bundle"
	"klw/internal/layout"
	"klw/internal/policy"
	"klw/internal/seccomp"
	"klw/runtime/launch"
)

// writePolicy keeps the policy as it was checked: whatever becomes of the bundle's file from now on, the guard and exec
// go by this text.
func writePolicy(dir layout.Dir, p *bundle.Policy) error {
	text, err := p.Texts.Encode()
	if err != nil {
		return fmt.Errorf("keep the policy: %w", err)
	}
	return replaceFile(dir.Policy(), text)
}

// readPolicy gives what writePolicy kept, or what was loaded since. A load replaces the one file: it is read whole, old
// or new.
func readPolicy(dir layout.Dir) (*bundle.Policy, error) {
	text, err := os.ReadFile(dir.Policy())
	if err != nil {
		return nil, fmt.Errorf("the container's policy: %w", err)
	}
	texts, err := policy.DecodeTexts(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir.Policy(), err)
	}
	p, err := texts.ParseAs(texts.File)
	if err != nil {
		return nil, err
	}
	return &bundle.Policy{Policy: p, Texts: texts}, nil
}

// checkUser refuses a user whom the policy doesn't let run the application.
func checkUser(p *bundle.Policy, rootfs string, uid uint32) error {
	name, err := userName(rootfs, uid)
	if err != nil {
		return err
	}
	if p.Permits(uid, name) {
		return nil
	}
	var allowed []string
	for _, u := range p.Users {
		allowed = append(allowed, u.String())
	}
	who := strconv.FormatUint(uint64(uid), 10)
	if name != "" {
		who += " (" + name + ")"
	}
	return fmt.Errorf("user %s may not run this application: %s allows %s", who, p.Users[0].Pos.Rule(), strings.Join(allowed, " "))
}

// maxPasswd bounds what is read of a file that the container may have written.
const maxPasswd = 4 << 20

// userName looks a user up in the container's own /etc/passwd; "" if it isn't there.
func userName(rootfs string, uid uint32) (string, error) {
	root, err := os.OpenRoot(rootfs)
	if err != nil {
		return "", fmt.Errorf("root file system: %w", err)
	}
	defer root.Close()
	// Not blocking, and only so much of it: for an exec the file is anything that the container wants it to be.
	f, err := root.OpenFile("etc/passwd", os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return "", nil // no such file, or one that leads out of the root: nobody has a name
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		return "", err
	}
	want := strconv.FormatUint(uint64(uid), 10)
	for lines := bufio.NewScanner(io.LimitReader(f, maxPasswd)); lines.Scan(); {
		if fields := strings.Split(lines.Text(), ":"); len(fields) >= 3 && fields[2] == want {
			return fields[0], nil
		}
	}
	return "", nil
}

// may says whether a process has a capability or can get it.
func may(c *specs.LinuxCapabilities, capability string) bool {
	return c != nil && (slices.Contains(c.Permitted, capability) || slices.Contains(c.Bounding, capability))
}

// filters compiles the bundle's seccomp filter and, under a policy, adds klw's own.
func filters(c *launch.Config, b *bundle.Bundle, noQueues bool) error {
	if s := b.Spec.Linux.Seccomp; s != nil {
		program, err := seccomp.Compile(s)
		if err != nil {
			return fmt.Errorf("config.json: linux.seccomp: %w", err)
		}
		if len(program.Filter) > 0 {
			c.Filters = append(c.Filters, program)
		}
	}
	if b.Policy != nil {
		program := seccomp.Contain(seccomp.Options{NoQueues: noQueues})
		c.Contain = &program
	}
	return nil
}
