package seccomp

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

func addr(b []byte) uintptr { return uintptr(unsafe.Pointer(&b[0])) }

// int80 makes a call without arguments as a 32-bit program would: MOV EAX, nr; INT 0x80; CDQE; RET.
func int80(nr uint32) unix.Errno {
	code, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE|unix.PROT_EXEC, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		panic(err)
	}
	defer unix.Munmap(code)
	copy(code, []byte{0xb8, byte(nr), byte(nr >> 8), byte(nr >> 16), byte(nr >> 24), 0xcd, 0x80, 0x48, 0x98, 0xc3})
	fn := struct{ entry uintptr }{addr(code)}
	p := &fn // a func value points to a word that holds the entry
	if n := (*(*func() int)(unsafe.Pointer(&p)))(); n < 0 {
		return unix.Errno(-n)
	}
	return 0
}
