package link

import (
	"encoding/binary"
	"net/netip"

	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"klw/internal/policy"
)

// part is a piece of a rule as nft would write it.
type part []expr.Any

func join(parts []part) []expr.Any {
	var all []expr.Any
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

var (
	loopback = netip.MustParsePrefix("127.0.0.0/8")

	accept      = part{&expr.Verdict{Kind: expr.VerdictAccept}}
	drop        = part{&expr.Verdict{Kind: expr.VerdictDrop}}
	masquerade  = part{&expr.Masq{}}
	established = ctBits(expr.CtKeySTATE, expr.CtStateBitESTABLISHED|expr.CtStateBitRELATED)
	translated  = ctBits(expr.CtKeySTATUS, 1<<5) // IPS_DST_NAT
)

func iif(name string) part           { return meta(expr.MetaKeyIIFNAME, expr.CmpOpEq, ifname(name)) }
func iifNot(name string) part        { return meta(expr.MetaKeyIIFNAME, expr.CmpOpNeq, ifname(name)) }
func oif(name string) part           { return meta(expr.MetaKeyOIFNAME, expr.CmpOpEq, ifname(name)) }
func oifNot(name string) part        { return meta(expr.MetaKeyOIFNAME, expr.CmpOpNeq, ifname(name)) }
func iifPrefix(prefix string) part   { return meta(expr.MetaKeyIIFNAME, expr.CmpOpEq, []byte(prefix)) }
func saddr(a netip.Addr) part        { return address(12, netip.PrefixFrom(a, 32), expr.CmpOpEq) }
func saddrNot(a netip.Addr) part     { return address(12, netip.PrefixFrom(a, 32), expr.CmpOpNeq) }
func saddrIn(n netip.Prefix) part    { return address(12, n, expr.CmpOpEq) }
func daddrIn(n netip.Prefix) part    { return address(16, n, expr.CmpOpEq) }
func daddrNotIn(n netip.Prefix) part { return address(16, n, expr.CmpOpNeq) }

func ifname(name string) []byte {
	b := make([]byte, unix.IFNAMSIZ)
	copy(b, name)
	return b
}

func meta(key expr.MetaKey, op expr.CmpOp, data []byte) part {
	return part{&expr.Meta{Key: key, Register: 1}, &expr.Cmp{Op: op, Register: 1, Data: data}}
}

// address compares the address at an offset of the IPv4 header with a network.
func address(offset uint32, n netip.Prefix, op expr.CmpOp) part {
	mask := binary.BigEndian.AppendUint32(nil, ^uint32(0)<<(32-n.Bits()))
	return part{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: 4},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: mask, Xor: make([]byte, 4)},
		&expr.Cmp{Op: op, Register: 1, Data: n.Masked().Addr().AsSlice()},
	}
}

// ctBits asks for any of some bits of what conntrack knows.
func ctBits(key expr.CtKey, bits uint32) part {
	return part{
		&expr.Ct{Key: key, Register: 1},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: binaryutil.NativeEndian.PutUint32(bits), Xor: make([]byte, 4)},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: make([]byte, 4)},
	}
}

// hostAddress is one address of the host, or with 0.0.0.0 any of them.
func hostAddress(a netip.Addr) part {
	if !a.IsUnspecified() {
		return daddrIn(netip.PrefixFrom(a, 32))
	}
	return part{
		&expr.Fib{Register: 1, FlagDADDR: true, ResultADDRTYPE: true},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: binaryutil.NativeEndian.PutUint32(unix.RTN_LOCAL)},
	}
}

// dport is the protocol and the host's port of a publication.
func dport(p policy.Publish) part {
	proto := byte(unix.IPPROTO_TCP)
	if p.Protocol == policy.UDP {
		proto = unix.IPPROTO_UDP
	}
	return append(meta(expr.MetaKeyL4PROTO, expr.CmpOpEq, []byte{proto}),
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: binary.BigEndian.AppendUint16(nil, p.Host.Port())},
	)
}

func dnat(a netip.Addr, port uint16) part {
	return part{
		&expr.Immediate{Register: 1, Data: a.AsSlice()},
		&expr.Immediate{Register: 2, Data: binary.BigEndian.AppendUint16(nil, port)},
		&expr.NAT{Type: expr.NATTypeDestNAT, Family: unix.NFPROTO_IPV4, RegAddrMin: 1, RegProtoMin: 2},
	}
}

func snat(a netip.Addr) part {
	return part{
		&expr.Immediate{Register: 1, Data: a.AsSlice()},
		&expr.NAT{Type: expr.NATTypeSourceNAT, Family: unix.NFPROTO_IPV4, RegAddrMin: 1},
	}
}
