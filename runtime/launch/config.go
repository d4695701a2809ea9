package launch

import (
	"github.com/opencontainers/runtime-spec/specs-go"

	"klw/internal/seccomp"
)

// Config is what klw-init is told to make. It travels as JSON in a memfd; descriptors travel beside it.
type Config struct {
	// Spec is the bundle's config.json. For Exec only Process counts, and of Linux: Personality.
	Spec *specs.Spec `json:"spec"`
	// Bundle is the bundle's folder on the host, absolute. A relative Spec.Root.Path is relative to it.
	Bundle string `json:"bundle"`
	// ID is the container's, for the state that hooks get.
	ID string `json:"id"`
	// Exec: enter the running container of Options.JoinPID and run Spec.Process there.
	Exec bool `json:"exec,omitempty"`
	// Filters are the bundle's, loaded in order as the last thing before execve; before capabilities are dropped if
	// noNewPrivileges is false.
	Filters []seccomp.Program `json:"filters,omitempty"`
	// Contain is klw's own filter. It is loaded with NEW_LISTENER before Filters, its listener handed over through
	// Options.SeccompSock. It turns no_new_privs on.
	Contain *seccomp.Program `json:"contain,omitempty"`
	// Views are the destinations of Options.ViewMounts, in that order. If the first is "/" the root is that mount. A
	// view takes the place of the bind mount with the same destination; one without such a mount is an error.
	Views []string `json:"views,omitempty"`
	// NoDevices are paths of devices that are not made, though the bundle or the specification gives them.
	NoDevices []string `json:"noDevices,omitempty"`
	// Sure are those of the spec's masked and read-only paths that have to be there. What else is missing needs neither.
	Sure []string `json:"sure,omitempty"`
	// Fifo: wait at Options.ExecFifo before execve (create), until something opens it for reading (start).
	Fifo bool `json:"fifo,omitempty"`
	// NoPivot: MS_MOVE and chroot in place of pivot_root, for a root on an initramfs.
	NoPivot bool `json:"noPivot,omitempty"`
	// NoNewKeyring: leave the session keyring as it is.
	NoNewKeyring bool `json:"noNewKeyring,omitempty"`
}
