package seccomp

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

//go:generate go test -run TestDocs . -update

var update = flag.Bool("update", false, "write docs/system-calls.md")

const docsFile = "../../docs/system-calls.md"

const docsHead = `# System calls that klw refuses under a policy

This page is made from the list in internal/seccomp/refusals.go, which is also what the filter is made from
(go generate ./internal/seccomp). The filter holds for every process of a container with a policy, whatever user it is
and whatever capabilities it has, besides the bundle's own seccomp profile. Each refused call gives an event; the last
column says what the caller gets.

`

const docsTail = `
- *asked*: every such call waits for the guard, which goes by the policy in force; all others happen. Sealed is the
  default (the policy's line ` + "`seal`" + `). A process that is root in every respect (real, effective, saved and file
  system user id) and asks for just that gets success: nothing changes. Who is the owner of a circle in every respect may
  ask for that, too.
- *queues*: only under a rule ` + "`none`" + ` for the mount of the message queues.
- *no event*: answered by the filter itself.
- Calls of another ABI (32-bit x86, x32; 32-bit ARM on arm64) get ENOSYS: %s.
- Numbers that no kernel had when klw was built get ENOSYS, without an event: what a newer kernel brings is not open
  before somebody has looked at it. That is what programs expect of an older kernel.
- Without a guard (it was killed) all of these get ENOSYS, without an event.
- A stricter answer of the bundle's own profile counts instead, without an event.
`

// TestDocs holds the page to the list.
func TestDocs(t *testing.T) {
	want := docsHead + docsTable() + fmt.Sprintf(docsTail, Foreign.Why)
	if *update {
		if err := os.WriteFile(docsFile, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(docsFile)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s isn't what the list says: go generate ./internal/seccomp", docsFile)
	}
}

// docsTable joins refusals that differ in the call only.
func docsTable() string {
	var b strings.Builder
	b.WriteString("| call | which | why | answer |\n| --- | --- | --- | --- |\n")
	list := Refusals()
	for i := 0; i < len(list); {
		r := list[i]
		var calls []string
		for ; i < len(list) && same(list[i], r); i++ {
			calls = append(calls, list[i].Call)
		}
		which, answer := r.When, unix.ErrnoName(r.Errno)
		if which == "" {
			which = "all"
		}
		if r.Asked {
			answer += ", *asked*"
		}
		if r.Queues {
			answer += ", *queues*"
		}
		if r.Quiet {
			answer += ", *no event*"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", strings.Join(calls, ", "), which, r.Why, answer)
	}
	return b.String()
}

func same(a, b Refusal) bool {
	return a.When == b.When && a.Why == b.Why && a.Errno == b.Errno && a.Asked == b.Asked && a.Queues == b.Queues && a.Quiet == b.Quiet
}
