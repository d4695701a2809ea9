package launch_test

import "testing"

func TestPlainContainer(t *testing.T) {
	b := newBox(t, "hostname", "pid", "cwd", "ids", "ls:/", "status:CapEff", "fds", "umask")
	b.expect("box", "1", "/", "0 0 []", "dev etc probe proc sys tmp", "0000000000000000", "0 1 2", "022")
}
