package netguard

import (
	"golang.org/x/sys/unix"

	"klw/internal/policy"
)

// The structures that the programs share with us, as bpf/maps.h has them.

type inetKey struct {
	Bits     uint32
	UID      uint32
	Port     uint16
	Action   uint8
	Protocol uint8
	Family   uint8
	_        [3]uint8
	Addr     [16]byte
}

type unixKey struct {
	Bits   uint32
	UID    uint32
	Len    uint16
	Action uint8
	_      uint8
	Name   [108]byte
}

type rawEvent struct {
	PID      uint32
	UID      uint32
	GID      uint32
	Type     uint16
	Protocol uint16
	Port     uint16
	Op       uint8
	Family   uint8
	Len      uint8
	_        [3]uint8
	Addr     [16]byte
	Comm     [16]byte
	Name     [108]byte
}

type rawUse struct {
	UID      uint32
	Port     uint16
	Op       uint8
	Protocol uint8
	Family   uint8
	Type     uint8
	_        [2]uint8
	Addr     [16]byte
}

type rawNameUse struct {
	UID  uint32
	Op   uint8
	Len  uint8
	_    [2]uint8
	Name [108]byte
}

const (
	inetFixedBits = (4 + 2 + 1 + 1 + 1 + 3) * 8 // of an inetKey: all but the address
	unixFixedBits = (4 + 2 + 1 + 1) * 8         // of a unixKey: all but the name
	unixPrefix    = 0xffff                      // Len of a rule about a prefix

	activeSet   = 1 // bits of the value in "active"
	activeUsers = 2
	activeLearn = 4

	opSocket = 1 // of an event or a use, as enum operation
	opBind   = 2
)

// Indices of "counters".
const (
	counterRefused = iota
	counterLost
	counterUnnoted
	numCounters
)

// inetKeys gives the keys of a rule about addresses: two, one a family, if it names no network.
func (b bound) inetKeys() []inetKey {
	key := inetKey{UID: b.uid, Port: b.Port, Action: uint8(b.Action), Protocol: ipProtocol(b.Protocol)}
	if !b.Net.IsValid() {
		v4, v6 := key, key
		v4.Bits, v4.Family = inetFixedBits, unix.AF_INET
		v6.Bits, v6.Family = inetFixedBits, unix.AF_INET6
		return []inetKey{v4, v6}
	}
	key.Bits = uint32(inetFixedBits + b.Net.Bits())
	key.Family = unix.AF_INET6
	if b.Net.Addr().Is4() {
		key.Family = unix.AF_INET
	}
	copy(key.Addr[:], b.Net.Addr().AsSlice())
	return []inetKey{key}
}

func ipProtocol(p policy.Protocol) uint8 {
	if p == policy.TCP {
		return unix.IPPROTO_TCP
	}
	return unix.IPPROTO_UDP
}

func (b bound) unixKey() unixKey {
	key := unixKey{UID: b.uid, Len: uint16(len(b.Abstract)), Action: uint8(b.Action)}
	key.Bits = unixFixedBits + uint32(len(key.Name))*8
	if b.Prefix {
		key.Len = unixPrefix
		key.Bits = unixFixedBits + uint32(len(b.Abstract))*8
	}
	copy(key.Name[:], b.Abstract)
	return key
}
