package launch

import "os"

// Options is what Start needs: the configuration, and the descriptors that go with it. Start keeps none of them: the
// caller closes its own after Start returned.
type Options struct {
	Config *Config
	// Binary is the path of klw-init. Empty: klw-init beside this executable, in PATH, or in /usr/libexec/klw.
	Binary string
	// Cgroup is the folder of the v2 cgroup that klw-init is made in, Tasks the tasks files, open for writing, of the
	// v1 cgroups that it enters before anything else. Without them the caller moves it between Start and Go, which
	// costs an RCU grace period (some 10 ms).
	Cgroup *os.File
	Tasks  []*os.File
	// ViewMounts are detached mounts, one for each of Config.Views.
	ViewMounts []*os.File
	// SeccompSock is a connected UNIX stream socket to the guard, if Config.Contain is set. The listener is sent as
	// seccomp.Hand does.
	SeccompSock *os.File
	// ExecFifo is the fifo of layout.Dir.ExecFifo, opened with O_PATH, if Config.Fifo is set. Start makes it writable
	// for everybody: its folder protects it, and klw-init opens it as the container's user. Whoever opens it for
	// reading lets klw-init go on; what can be read is "0", and after it, if the application could not be executed,
	// an Error as JSON. The end comes with the execution.
	ExecFifo *os.File
	// Stdin, Stdout and Stderr of the process; nil is /dev/null. Not used if the process has a terminal.
	Stdin, Stdout, Stderr *os.File
	// ConsoleSocket is a connected UNIX socket that gets the pseudo terminal's master (SCM_RIGHTS, data: its name), if
	// the process has a terminal.
	ConsoleSocket *os.File
	// PreserveFDs: the caller's descriptors 3 … 3+PreserveFDs-1 go to the process under the same numbers.
	PreserveFDs int
	// JoinPID is the container's first process, for Config.Exec.
	JoinPID int
	// Warn is called with what can't be granted but is no error (unknown capabilities), in Go, Mounted, Continue or
	// Ready. May be nil.
	Warn func(string)
}
