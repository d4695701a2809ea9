package main

import (
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The parts of <linux/io_uring.h> that one operation needs.
const (
	uringOffSQ     = 0
	uringOffSQEs   = 0x10000000
	uringConnectOp = 16
	uringOpenatOp  = 18
	uringGetEvents = 1
)

type uringParams struct {
	sqEntries, cqEntries, flags, cpu, idle, features, wq uint32
	_                                                    [3]uint32
	sq                                                   struct {
		head, tail, mask, entries, flags, dropped, array, _ uint32
		_                                                   uint64
	}
	cq struct {
		head, tail, mask, entries, overflow, cqes, flags, _ uint32
		_                                                   uint64
	}
}

// uringConnect connects without the connect system call.
func uringConnect(to string) error {
	ap, err := netip.ParseAddrPort(to)
	if err != nil {
		return setupFailed("address", err)
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	impatient(fd)
	sa := unix.RawSockaddrInet4{Family: unix.AF_INET, Addr: ap.Addr().As4()}
	port := (*[2]byte)(unsafe.Pointer(&sa.Port))
	port[0], port[1] = byte(ap.Port()>>8), byte(ap.Port())
	_, err = uring(func(sqe []byte) {
		sqe[0] = uringConnectOp
		*(*int32)(unsafe.Pointer(&sqe[4])) = int32(fd)
		*(*uint64)(unsafe.Pointer(&sqe[8])) = unix.SizeofSockaddrInet4              // off: the length
		*(*uint64)(unsafe.Pointer(&sqe[16])) = uint64(uintptr(unsafe.Pointer(&sa))) // addr
	})
	if err != nil {
		return err
	}
	return echo(fd)
}

// uringOpen opens without the open system call.
func uringOpen(path string, flags uint32) error {
	name, err := unix.BytePtrFromString(path)
	if err != nil {
		return setupFailed("name", err)
	}
	fd, err := uring(func(sqe []byte) {
		sqe[0] = uringOpenatOp
		*(*int32)(unsafe.Pointer(&sqe[4])) = unix.AT_FDCWD
		*(*uint64)(unsafe.Pointer(&sqe[16])) = uint64(uintptr(unsafe.Pointer(name)))
		*(*uint32)(unsafe.Pointer(&sqe[28])) = flags
	})
	if err != nil {
		return err
	}
	return unix.Close(int(fd))
}

// uring does one operation by a ring of its own and gives its result.
func uring(fill func(sqe []byte)) (int32, error) {
	var p uringParams
	ring, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, 1, uintptr(unsafe.Pointer(&p)), 0)
	if errno != 0 {
		return 0, errno
	}
	defer unix.Close(int(ring))
	// One mapping holds both rings (IORING_FEAT_SINGLE_MMAP, Linux 5.4).
	size := max(int(p.cq.cqes)+int(p.cqEntries)*16, int(p.sq.array)+int(p.sqEntries)*4)
	rings, err := unix.Mmap(int(ring), uringOffSQ, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
	if err != nil {
		return 0, err
	}
	sqes, err := unix.Mmap(int(ring), uringOffSQEs, 64, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
	if err != nil {
		return 0, err
	}
	fill(sqes)
	*(*uint32)(unsafe.Pointer(&rings[p.sq.array])) = 0
	*(*uint32)(unsafe.Pointer(&rings[p.sq.tail]))++
	if _, _, errno := unix.Syscall6(unix.SYS_IO_URING_ENTER, ring, 1, 1, uringGetEvents, 0, 0); errno != 0 {
		return 0, errno
	}
	res := *(*int32)(unsafe.Pointer(&rings[p.cq.cqes+8]))
	if res < 0 {
		return 0, unix.Errno(-res)
	}
	return res, nil
}
