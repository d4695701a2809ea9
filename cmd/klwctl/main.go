// Command klwctl is what a person or a script types to see and steer klw's guards (package klwctl).
package main

import (
	"os"

	"klw/internal/klwctl"
)

func main() { os.Exit(klwctl.Main(os.Args, os.Stdout, os.Stderr)) }
