// Command testapp is what the tests run in containers, and as hooks: one static program that is a whole root file
// system.
package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

func main() {
	do, ok := commands[os.Args[1]]
	if !ok {
		fatal("unknown command " + os.Args[1])
	}
	do(os.Args[2:])
}

var commands = map[string]func([]string){
	"wait":   wait,
	"exit":   func(a []string) { os.Exit(number(a[0])) },
	"show":   show,
	"cat":    cat,
	"save":   save,
	"brood":  brood,
	"hook":   hook,
	"fail":   func([]string) { fatal("this one fails") },
	"tty":    tty,
	"fd":     func(a []string) { f := os.NewFile(uintptr(number(a[0])), "fd"); _, _ = io.Copy(os.Stdout, f) },
	"open":   open,
	"mkdev":  mkdev,
	"alloc":  alloc,
	"owners": owners,
	"can":    can,
}

func fatal(what any) {
	fmt.Fprintln(os.Stderr, what)
	os.Exit(1)
}

func number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		fatal(err)
	}
	return n
}

// wait says that it is there, and makes a file if one is named, and lives until SIGTERM, on which it exits with 3.
// Other signals it prints.
func wait(file []string) {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGINT)
	fmt.Println("up")
	for _, f := range file {
		if err := os.WriteFile(f, nil, 0o644); err != nil {
			fatal(err)
		}
	}
	for s := range signals {
		if s == syscall.SIGTERM {
			os.Exit(3)
		}
		fmt.Println("got", s)
	}
}

// show prints what a process can see of itself: the keys are its arguments.
func show(keys []string) {
	for _, key := range keys {
		switch key {
		case "args":
			fmt.Println(strings.Join(os.Args, " "))
		case "env":
			fmt.Println(strings.Join(os.Environ(), " "))
		case "cwd":
			dir, _ := os.Getwd()
			fmt.Println(dir)
		case "ids":
			groups, _ := os.Getgroups()
			fmt.Println(os.Getuid(), os.Getgid(), groups)
		case "pid":
			fmt.Println(os.Getpid())
		case "fds":
			entries, _ := os.ReadDir("/proc/self/fd")
			for _, e := range entries {
				target, _ := os.Readlink("/proc/self/fd/" + e.Name())
				fmt.Println(e.Name(), target)
			}
		}
	}
}

func cat(files []string) {
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			fatal(err)
		}
		os.Stdout.Write(text)
	}
}

// save copies a file.
func save(names []string) {
	text, err := os.ReadFile(names[0])
	if err == nil {
		err = os.WriteFile(names[1], text, 0o644)
	}
	if err != nil {
		fatal(err)
	}
}

// brood starts processes that outlive their parents and ignore what asks them to end, then waits.
func brood(a []string) {
	if len(a) == 2 {
		signal.Ignore(syscall.SIGTERM, syscall.SIGHUP, syscall.SIGINT)
		if n := number(a[1]); n > 0 {
			start("brood", "x", strconv.Itoa(n-1))
		}
		time.Sleep(time.Hour)
	}
	for range number(a[0]) {
		start("brood", "x", "2")
	}
	time.Sleep(50 * time.Millisecond)
	wait(nil)
}

func start(args ...string) {
	cmd := exec.Command("/app", args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		fatal(err)
	}
}

// hook appends to a file its name and what it was given on standard input.
func hook(a []string) {
	state, err := io.ReadAll(bufio.NewReader(os.Stdin))
	if err != nil {
		fatal(err)
	}
	f, err := os.OpenFile(a[0], os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		fatal(err)
	}
	fmt.Fprintf(f, "%s %s\n", a[1], state)
}

func tty([]string) {
	size, err := unix.IoctlGetWinsize(0, unix.TIOCGWINSZ)
	if err != nil {
		fatal(err)
	}
	name, _ := os.Readlink("/proc/self/fd/0")
	fmt.Printf("%s %dx%d\n", name, size.Col, size.Row)
}

func open(a []string) {
	f, err := os.OpenFile(a[0], os.O_RDONLY, 0)
	if err != nil {
		fatal(err)
	}
	_, _ = f.Read(make([]byte, 1))
}

// mkdev makes a device node and opens it.
func mkdev(a []string) {
	kind, major, minor := a[0], uint32(number(a[1])), uint32(number(a[2]))
	mode := uint32(unix.S_IFCHR)
	if kind == "b" {
		mode = unix.S_IFBLK
	}
	path := filepath.Join("/dev", "node")
	if err := unix.Mknod(path, mode|0o600, int(unix.Mkdev(major, minor))); err != nil {
		fatal(fmt.Errorf("mknod: %w", err))
	}
	open([]string{path})
}

// alloc touches that many MiB.
func alloc(a []string) {
	buf := make([]byte, number(a[0])<<20)
	for i := 0; i < len(buf); i += 4096 {
		buf[i] = 1
	}
	fmt.Println("touched", len(buf)>>20)
}
