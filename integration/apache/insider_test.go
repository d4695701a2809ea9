package apache

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"time"
)

// insider is a shell in the container that was there before whatever happens. What it does are the shell's own words:
// they need no program and no file.
type insider struct {
	*box
	in    io.Writer
	lines chan string
}

func (b *box) insider() *insider {
	b.Helper()
	cmd := b.command("klw-runc", "exec", b.id, "/bin/bash", "--norc")
	in, err := cmd.StdinPipe()
	b.must(err)
	out, err := cmd.StdoutPipe()
	b.must(err)
	b.must(cmd.Start())
	i := &insider{box: b, in: in, lines: make(chan string, 100)}
	go func() {
		for scan := bufio.NewScanner(out); scan.Scan(); {
			i.lines <- scan.Text()
		}
		close(i.lines)
	}()
	b.Cleanup(func() {
		in.Close()
		cmd.Process.Kill()
		cmd.Wait()
	})
	i.do("exec 2>&1")
	return i
}

// do gives what a command printed, errors included.
func (i *insider) do(command string) string {
	i.Helper()
	const end = "-- done"
	_, err := fmt.Fprintf(i.in, "%s\necho '%s'\n", command, end)
	i.must(err)
	var out []string
	for {
		select {
		case line, ok := <-i.lines:
			if !ok {
				i.Fatalf("%q: the shell in the container ended after %q", command, out)
			}
			if line == end {
				return strings.Join(out, "\n")
			}
			out = append(out, line)
		case <-time.After(20 * time.Second):
			i.Fatalf("%q: no answer from the shell in the container after 20 s", command)
		}
	}
}

// connect says how a connect by TCP ends: "ok", or the error.
func (i *insider) connect(address string) string {
	i.Helper()
	host, port, _ := strings.Cut(address, ":")
	said := i.do(fmt.Sprintf("{ exec 5<>/dev/tcp/%s/%s && echo ok && exec 5>&-; }", host, port))
	return said
}

// open says how opening a file for reading ends: "ok", or the error.
func (i *insider) open(path string) string {
	i.Helper()
	return i.do(fmt.Sprintf("{ exec 6<%s && echo ok && exec 6<&-; }", path))
}
