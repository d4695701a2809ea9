package runtime

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"klw/internal/handshake"
	"klw/internal/layout"
	"klw/runtime/cgroup"
)

// State is the content of state.json: what was made for a container. Fields are added, never reused.
type State struct {
	Version     int               `json:"version"` // stateVersion
	ID          string            `json:"id"`
	OCIVersion  string            `json:"ociVersion"`
	Bundle      string            `json:"bundle"`
	Rootfs      string            `json:"rootfs"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Created     time.Time         `json:"created"`
	Owner       string            `json:"owner"`

	Creator handshake.Process `json:"creator"`        // the klw-runc that creates it
	Done    bool              `json:"done,omitempty"` // creating it has succeeded
	Init    handshake.Process `json:"init"`           // its first process; PID 0: not yet there
	Hooked  bool              `json:"hooked,omitempty"`

	Cgroups     cgroup.Paths       `json:"cgroups,omitempty"`
	Policy      string             `json:"policy,omitempty"` // the policy's file; "" without a guard
	Guard       *handshake.Process `json:"guard,omitempty"`
	MayTrace    bool               `json:"mayTrace,omitempty"` // under a policy: its processes may have CAP_SYS_PTRACE
	GuardCgroup cgroup.Paths       `json:"guardCgroup,omitempty"`
}

const stateVersion = 1

func readState(dir layout.Dir) (*State, error) {
	text, err := os.ReadFile(dir.State())
	if err != nil {
		return nil, err
	}
	s := new(State)
	if err := json.Unmarshal(text, s); err != nil {
		return nil, fmt.Errorf("%s: %w", dir.State(), err)
	}
	if s.Version != stateVersion {
		return nil, fmt.Errorf("%s: version %d, this klw-runc reads %d", dir.State(), s.Version, stateVersion)
	}
	return s, nil
}

// write replaces state.json as a whole.
func (s *State) write(dir layout.Dir) error {
	text, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("write the state: %w", err)
	}
	return replaceFile(dir.State(), text)
}

// replaceFile gives a file of root's alone new content: a reader sees the old or the new one, never a part.
func replaceFile(path string, text []byte) error {
	next := path + ".next"
	if err := os.WriteFile(next, text, 0o600); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(next, path); err != nil {
		os.Remove(next)
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// oci is the state as the specification shows it, for hooks and for the state command.
func (s *State) oci(status specs.ContainerState) *specs.State {
	state := &specs.State{
		Version: s.OCIVersion, ID: s.ID, Status: status, Bundle: s.Bundle, Annotations: s.Annotations,
	}
	if status != specs.StateStopped {
		state.Pid = s.Init.PID
	}
	return state
}
