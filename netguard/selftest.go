package netguard

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"klw/hooks"
	"klw/internal/policy"
)

// selftest shows packets to the loaded programs and compares what they say with the rules. It runs before the programs
// are attached; its refusals are taken out of the ring and forgotten.
func (k *kernel) selftest(r *Rules) error {
	for _, a := range []string{"192.0.2.1", "2001:db8::1"} {
		for _, port := range []uint16{9, 80} {
			addr := netip.AddrPortFrom(netip.MustParseAddr(a), port)
			for _, q := range []Question{
				{Op: hooks.OpSend, Protocol: policy.UDP, Addr: addr},
				{Op: hooks.OpConnect, Protocol: policy.TCP, Addr: addr},
				{Op: hooks.OpListen, Protocol: policy.TCP, Addr: addr},
			} {
				if err := k.compare(r, q); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// compare asks the program that sees such a packet. The test socket that the kernel makes for it is root's.
func (k *kernel) compare(r *Rules, q Question) error {
	program, dst := "egress", q.Addr
	src := netip.AddrPortFrom(q.Addr.Addr().Prev(), 1)
	if q.Op == hooks.OpListen {
		program = "ingress"
	}
	got, _, err := k.programs[program].Test(packet(q.Protocol, src, dst))
	if err != nil {
		return fmt.Errorf("self-test of %s: %w", program, err)
	}
	if want := r.Decide(q).Allowed; (got == 1) != want {
		return fmt.Errorf("self-test of %s: %s: the kernel answers %d, the policy says allowed=%t", program, q, got, want)
	}
	return nil
}

// packet makes the first packet of an exchange, with an Ethernet header before it.
func packet(proto policy.Protocol, src, dst netip.AddrPort) []byte {
	l4 := make([]byte, 20)
	binary.BigEndian.PutUint16(l4, src.Port())
	binary.BigEndian.PutUint16(l4[2:], dst.Port())
	if proto == policy.TCP {
		l4[12], l4[13] = 5<<4, 2 // no options; SYN
	}
	var b []byte
	b = append(b, make([]byte, 12)...)
	if src.Addr().Is4() {
		b = binary.BigEndian.AppendUint16(b, unix.ETH_P_IP)
		b = append(b, 0x45, 0, 0, byte(20+len(l4)), 0, 0, 0, 0, 64, ipProtocol(proto), 0, 0)
	} else {
		b = binary.BigEndian.AppendUint16(b, unix.ETH_P_IPV6)
		b = append(b, 0x60, 0, 0, 0, 0, byte(len(l4)), ipProtocol(proto), 64)
	}
	b = append(b, src.Addr().AsSlice()...)
	b = append(b, dst.Addr().AsSlice()...)
	return append(b, l4...)
}
