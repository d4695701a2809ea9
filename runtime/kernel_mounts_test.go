package runtime_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// closes is a policy that closes something of every kind of mount that the container has from the kernel.
const closes = `application test
@general
file / read execute
file /dev read
file /dev/zero none
file /dev/full read
file /dev/shm none
file /dev/mqueue none
file /proc read
file /proc/cpuinfo none
file /proc/sys/vm none
file /sys/module none
file /sys/fs/cgroup none
`

// closed is what that policy closes, and what trying it answers.
var closed = []string{
	"create:/dev/x read-only file system", "device:/dev/null-of-mine operation not permitted",
	"read:/dev/zero no such file or directory", "open-write:/dev/full operation not permitted",
	"create:/dev/shm/x read-only file system", "queue:mine operation not permitted",
	"rewrite:/proc/self/oom_score_adj read-only file system", "read:/proc/cpuinfo empty (EOF)", "list:/proc/sys/vm empty",
	"list:/sys/module empty", "list:/sys/fs/cgroup empty",
}

// stillOpen goes on working under it.
var stillOpen = []string{
	"read:/proc/self/status", "read:/proc/meminfo", "read:/proc/sys/kernel/ostype", "list:/sys/class", "open-write:/dev/null",
	"read:/dev/full", "read:/dev/urandom", "list:/dev/pts", "list:/sys/kernel",
}

// tried gives what lines of answers are about.
func tried(list []string) (args []string) {
	for _, line := range list {
		what, _, _ := strings.Cut(line, " ")
		args = append(args, what)
	}
	return args
}

func works(list []string) (lines []string) {
	for _, what := range tried(list) {
		lines = append(lines, what+" yes")
	}
	return lines
}

// With "processes own" a user sees his own processes, in a user namespace too.
func TestProcessesOfOthersAreHidden(t *testing.T) {
	for _, mapped := range []bool{false, true} {
		for line, want := range map[string]string{"processes own": "no such file or directory", "processes all": "yes"} {
			b := newBox(t, "wait")
			b.file("klw.policy", strings.Replace(closes, "@general", line+"\n@general", 1))
			if mapped {
				b.inUserNamespace()
			}
			b.create()
			b.ok("start", b.id)
			const look = "read:/proc/1/status"
			if got := b.ok("exec", "-u", "33:33", b.id, "/app", "can", look, "read:/proc/self/status"); got != look+" "+want+"\nread:/proc/self/status yes\n" {
				t.Errorf("%s, user namespace %v: user 33 got %s", line, mapped, got)
			}
			if got := b.ok("exec", b.id, "/app", "can", look); got != look+" yes\n" {
				t.Errorf("%s, user namespace %v: root got %s", line, mapped, got)
			}
		}
	}
}

func TestRulesOnKernelMountsHold(t *testing.T) {
	for _, c := range []struct {
		name           string
		policy, mapped bool
	}{{"no policy", false, false}, {"policy", true, false}, {"policy in a user namespace", true, true}} {
		t.Run(c.name, func(t *testing.T) {
			b := newBox(t, "wait")
			b.spec.Linux.MaskedPaths = nil
			caps := []string{"CAP_MKNOD", "CAP_DAC_OVERRIDE", "CAP_SYS_RESOURCE"}
			b.spec.Process.Capabilities.Bounding, b.spec.Process.Capabilities.Permitted, b.spec.Process.Capabilities.Effective = caps, caps, caps
			want := slices.Concat(works(closed), works(stillOpen))
			if c.policy {
				b.file("klw.policy", closes)
				want = slices.Concat(closed, works(stillOpen))
			}
			if c.mapped {
				b.inUserNamespace()
			}
			b.create()
			b.ok("start", b.id)
			args := slices.Concat([]string{"exec", b.id, "/app", "can"}, tried(closed), tried(stillOpen))
			got := strings.Split(strings.TrimSpace(b.ok(args...)), "\n")
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("want, got:\n%s", diff)
			}
			if own := b.ok("exec", b.id, "/app", "cat", "/proc/self/mountinfo"); own != b.ok("exec", b.id, "/app", "cat", "/proc/1/mountinfo") {
				t.Errorf("exec has other mounts than the container: %s", own)
			}
			if c.policy && !strings.Contains(b.events(), "mq_open") {
				t.Error("no event of the queue that was refused")
			}
		})
	}
}

// Where there is v2 alone, device rules are a BPF program.
func TestDeviceRulesOnV2(t *testing.T) {
	want := []string{"read:/dev/zero no such file or directory", "open-write:/dev/full operation not permitted", "read:/dev/full yes", "open-write:/dev/null yes"}
	b := newBox(t, append([]string{"can"}, tried(want)...)...)
	b.file("klw.policy", closes)
	b.writeSpec()
	r := b.inHierarchies(pureV2, "run", b.id)
	if got := strings.Split(strings.TrimSpace(r.out), "\n"); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q; %s", got, want, r.errOut)
	}
}
