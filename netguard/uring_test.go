package netguard

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Just enough io_uring to connect with it.

const (
	uringEntries   = 4
	uringOpConnect = 16
	uringOpSend    = 26
	uringOpSocket  = 45
	uringEnterGet  = 1
)

type uringSQE struct {
	op, flags uint8
	ioprio    uint16
	fd        int32
	off       uint64
	addr      uint64
	len       uint32
	opFlags   uint32
	userData  uint64
	rest      [3]uint64
}

type uringParams struct {
	sqEntries, cqEntries, flags, cpu, idle, features, wq uint32
	_                                                    [3]uint32
	sq, cq                                               [10]uint32
}

type uring struct {
	fd   int
	p    uringParams
	ring []byte
	sqes []byte
}

func newUring() (*uring, error) {
	u := &uring{}
	fd, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, uringEntries, uintptr(unsafe.Pointer(&u.p)), 0)
	if errno != 0 {
		return nil, fmt.Errorf("io_uring_setup: %w", errno)
	}
	u.fd = int(fd)
	var err error
	const rw, shared = unix.PROT_READ | unix.PROT_WRITE, unix.MAP_SHARED | unix.MAP_POPULATE
	if u.ring, err = unix.Mmap(u.fd, 0, 4096, rw, shared); err != nil {
		return nil, err
	}
	u.sqes, err = unix.Mmap(u.fd, 0x10000000, 4096, rw, shared)
	return u, err
}

func (u *uring) at(off uint32) *uint32 { return (*uint32)(unsafe.Pointer(&u.ring[off])) }

// do submits one operation and waits for its result.
func (u *uring) do(e uringSQE) (int, error) {
	const head, tail, array, cqes = 0, 1, 6, 5 // indices into the offset tables
	sqTail := u.at(u.p.sq[tail])
	slot := *sqTail & (uringEntries - 1)
	*(*uringSQE)(unsafe.Pointer(&u.sqes[slot*uint32(unsafe.Sizeof(e))])) = e
	*u.at(u.p.sq[array] + slot*4) = slot
	*sqTail++
	if _, _, errno := unix.Syscall6(unix.SYS_IO_URING_ENTER, uintptr(u.fd), 1, 1, uringEnterGet, 0, 0); errno != 0 {
		return 0, fmt.Errorf("io_uring_enter: %w", errno)
	}
	cqHead := u.at(u.p.cq[head])
	cqe := u.p.cq[cqes] + (*cqHead&(u.p.cqEntries-1))*16
	*cqHead++
	if res := int32(*u.at(cqe + 8)); res < 0 {
		return 0, unix.Errno(-res)
	} else {
		return int(res), nil
	}
}

// uringConnect makes the socket and the connection by io_uring.
func uringConnect(to string) error {
	sa, family := sockaddr(to)
	raw := rawSockaddr(sa)
	u, err := newUring()
	if err != nil {
		return err
	}
	fd, err := u.do(uringSQE{op: uringOpSocket, fd: int32(family), off: unix.SOCK_STREAM})
	if err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	_, err = u.do(uringSQE{op: uringOpConnect, fd: int32(fd), addr: uint64(uintptr(unsafe.Pointer(&raw[0]))), off: uint64(len(raw))})
	return err
}

// uringSend sends a datagram to an address by io_uring.
func uringSend(fd int, to unix.Sockaddr) error {
	raw := rawSockaddr(to)
	data := []byte("hello")
	u, err := newUring()
	if err != nil {
		return err
	}
	_, err = u.do(uringSQE{
		op: uringOpSend, fd: int32(fd), addr: uint64(uintptr(unsafe.Pointer(&data[0]))), len: uint32(len(data)),
		off: uint64(uintptr(unsafe.Pointer(&raw[0]))), rest: [3]uint64{uint64(len(raw)) << 32}, // addr_len
	})
	return err
}

func rawSockaddr(sa unix.Sockaddr) []byte {
	switch a := sa.(type) {
	case *unix.SockaddrInet4:
		r := unix.RawSockaddrInet4{Family: unix.AF_INET, Port: swap(a.Port), Addr: a.Addr}
		return append([]byte(nil), (*[unix.SizeofSockaddrInet4]byte)(unsafe.Pointer(&r))[:]...)
	case *unix.SockaddrInet6:
		r := unix.RawSockaddrInet6{Family: unix.AF_INET6, Port: swap(a.Port), Addr: a.Addr}
		return append([]byte(nil), (*[unix.SizeofSockaddrInet6]byte)(unsafe.Pointer(&r))[:]...)
	}
	panic("no such address")
}

func swap(port int) uint16 { return uint16(port)<<8 | uint16(port)>>8 }
