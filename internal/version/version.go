// Package version says which klw this is. It needs nothing that a Go program doesn't have anyway, so that the leanest
// programs can have it.
package version

import "runtime/debug"

// Version is set by the linker (-X klw/internal/version.Version=…).
var Version = "0.1.0"

// Commit is what the program was built from, "" if the build didn't say.
func Commit() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return ""
}
