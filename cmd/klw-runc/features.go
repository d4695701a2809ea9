package main

import (
	"context"
	"slices"
	"strings"

	"github.com/moby/sys/capability"
	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/opencontainers/runtime-spec/specs-go/features"
	"github.com/urfave/cli/v3"

	"klw/bundle"
	"klw/internal/seccomp"
	"klw/internal/version"
)

func featuresCommand() *cli.Command {
	return &cli.Command{
		Name: "features", Usage: "show what klw-runc implements, as JSON (runtime-spec, features.md)",
		Action: func(_ context.Context, cmd *cli.Command) error { return printJSON(cmd, implemented()) },
	}
}

// implemented is what features.md asks for: what is compiled in, whatever this host has.
func implemented() *features.Features {
	yes, no := true, false
	return &features.Features{
		OCIVersionMin: "1.0.0",
		OCIVersionMax: specs.Version,
		Hooks:         []string{"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"},
		MountOptions:  bundle.MountOptions(),
		Linux: &features.Linux{
			Namespaces:   bundle.NamespaceTypes(),
			Capabilities: capabilities(),
			Cgroup:       &features.Cgroup{V1: &yes, V2: &yes, Systemd: &no, SystemdUser: &no, Rdma: &yes},
			Seccomp: &features.Seccomp{Enabled: &yes, Actions: actions(), Operators: seccomp.Operators(),
				Archs: seccomp.Archs(), KnownFlags: seccomp.Flags(), SupportedFlags: seccomp.Flags()},
			Apparmor:        &features.Apparmor{Enabled: &yes},
			Selinux:         &features.Selinux{Enabled: &no},
			IntelRdt:        &features.IntelRdt{Enabled: &no},
			MountExtensions: &features.MountExtensions{IDMap: &features.IDMap{Enabled: &yes}},
			NetDevices:      &features.NetDevices{Enabled: &no},
		},
		Annotations: map[string]string{"io.klw.version": version.Version},
		// It is a name in the administrator's folder, but which policy a container gets is not its own choice.
		PotentiallyUnsafeConfigAnnotations: []string{bundle.AnnotationPrefix},
	}
}

// actions are those that work: handing a listener to listenerPath isn't there yet.
func actions() []string {
	return slices.DeleteFunc(seccomp.Actions(), func(a string) bool { return a == string(specs.ActNotify) })
}

func capabilities() []string {
	var names []string
	for _, c := range capability.ListKnown() {
		names = append(names, "CAP_"+strings.ToUpper(c.String()))
	}
	return names
}
