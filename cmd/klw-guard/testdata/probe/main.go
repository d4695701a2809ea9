// The probe is the application of the smoke test: a static program in an otherwise empty root.
package main

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

func main() {
	var errno syscall.Errno
	for _, path := range os.Args[1:] {
		if path == "wait" {
			time.Sleep(time.Minute)
			return
		}
		_, err := os.ReadFile(path)
		errors.As(err, &errno)
		fmt.Println(path, unix.ErrnoName(errno))
		errno = 0
	}
}
