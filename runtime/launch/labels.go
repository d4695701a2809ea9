package launch

import (
	"errors"
	"os"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// checkLabels refuses what this host can't give: a container never starts with less than was asked.
func checkLabels(s *specs.Spec) error {
	if s.Process.SelinuxLabel != "" || s.Linux != nil && s.Linux.MountLabel != "" {
		return errors.New("process.selinuxLabel and linux.mountLabel: SELinux is not supported")
	}
	if s.Process.ApparmorProfile == "" {
		return nil
	}
	on, err := os.ReadFile("/sys/module/apparmor/parameters/enabled")
	if err != nil || !strings.HasPrefix(string(on), "Y") {
		return errors.New("process.apparmorProfile: AppArmor is not enabled on this host")
	}
	return nil
}
