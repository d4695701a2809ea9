// Package version says which klw this is. It imports nothing, so that the leanest programs can have it.
package version

// Version is set by the linker (-X klw/internal/version.Version=…).
var Version = "0.1.0"
