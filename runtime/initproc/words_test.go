package initproc

import (
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"klw/bundle"
)

func TestSysctlPath(t *testing.T) {
	for name, want := range map[string]string{
		"kernel.shmmax": "kernel/shmmax", "net.ipv4.conf.eth0/1.forwarding": "net/ipv4/conf/eth0.1/forwarding",
		"net/ipv4/conf/eth0.1/forwarding": "net/ipv4/conf/eth0.1/forwarding", "single": "single",
	} {
		if got := sysctlPath(name); got != want {
			t.Errorf("%s: %s, expected %s", name, got, want)
		}
	}
}

func TestParseOptions(t *testing.T) {
	for _, c := range []struct{ options, want string }{
		{"", fmt.Sprintf("%+v", mountOptions{})},
		{"ro rw", fmt.Sprintf("%+v", mountOptions{clear: unix.MOUNT_ATTR_RDONLY})},
		{"rw ro", fmt.Sprintf("%+v", mountOptions{set: unix.MOUNT_ATTR_RDONLY})},
		{"noatime relatime", fmt.Sprintf("%+v", mountOptions{set: unix.MOUNT_ATTR_RELATIME, clear: atime})},
		{"rbind rro rsuid", fmt.Sprintf("%+v", mountOptions{bind: true, recursive: true, recSet: unix.MOUNT_ATTR_RDONLY, recClr: unix.MOUNT_ATTR_NOSUID})},
		{"rshared private", fmt.Sprintf("%+v", mountOptions{propagation: []uint64{unix.MS_SHARED | unix.MS_REC, unix.MS_PRIVATE}})},
		{"size=1m sync defaults tmpcopyup mode=755", fmt.Sprintf("%+v", mountOptions{super: []string{"sync"}, data: []string{"size=1m", "mode=755"}, copyUp: true})},
	} {
		if got := fmt.Sprintf("%+v", parseOptions(strings.Fields(c.options))); got != c.want {
			t.Errorf("%s: %s, expected %s", c.options, got, c.want)
		}
	}
}

// TestEveryOptionIsKnown: what klw-runc features lists is not handed to a file system as its own.
func TestEveryOptionIsKnown(t *testing.T) {
	for _, o := range bundle.MountOptions() {
		if data := parseOptions([]string{o}).data; len(data) > 0 {
			t.Errorf("%s is listed as known, but is passed on", o)
		}
	}
}
