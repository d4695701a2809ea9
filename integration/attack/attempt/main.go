// Command attempt tries one attack from inside a container and tells whether it worked.
//
//	attempt NAME [ARGUMENT]
//
// Exit code 0: the attack worked. 1: it was refused (standard output says how). 2: it could not be tried.
// "attempt list" prints the names with a description each.
package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sort"
	"syscall"
)

// attempt is one attack. try returns nil if it worked.
type attempt struct {
	about string
	try   func(arg string) error
}

// broken is an error that says nothing about the guard: the attack could not be tried.
type broken struct{ error }

func setupFailed(what string, err error) error { return broken{fmt.Errorf("%s: %w", what, err)} }

var attempts = map[string]attempt{}

func add(name, about string, try func(arg string) error) { attempts[name] = attempt{about, try} }

func init() {
	contentAttempts()
	moreContentAttempts()
	socketAttempts()
	privilegeAttempts()
	hostAttempts()
	reachAttempts()
	nameAttempts()
	changeAttempts()
	kernelAttempts()
	kernelFSAttempts()
}

func main() {
	runtime.LockOSThread() // ids, namespaces and filters are a thread's
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: attempt NAME [ARGUMENT]")
		os.Exit(2)
	}
	if os.Args[1] == "list" {
		list()
		return
	}
	a, ok := attempts[os.Args[1]]
	if !ok {
		fmt.Fprintf(os.Stderr, "attempt: no attack %q\n", os.Args[1])
		os.Exit(2)
	}
	arg := ""
	if len(os.Args) > 2 {
		arg = os.Args[2]
	}
	err := a.try(arg)
	var b broken
	switch {
	case err == nil:
		fmt.Println("worked")
	case errors.As(err, &b):
		fmt.Println(err)
		os.Exit(2)
	default:
		fmt.Println(name(err))
		os.Exit(1)
	}
}

// name shortens an error to its errno where it has one.
func name(err error) string {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return fmt.Sprintf("%s (%v)", errnoName(errno), err)
	}
	return err.Error()
}

func list() {
	names := make([]string, 0, len(attempts))
	for n := range attempts {
		names = append(names, n)
	}
	sort.Strings(names)
	for _, n := range names {
		fmt.Printf("%s\t%s\n", n, attempts[n].about)
	}
}
