package policy

import "net/netip"

const publishUsage = "publish tcp|udp HOST-ADDRESS:PORT -> PORT"

// published finds a publish line.
type published struct {
	protocol Protocol
	host     netip.AddrPort
}

// parsePublish reads: publish PROTOCOL HOST:PORT -> PORT
func (p *parser) parsePublish(words []word) {
	if !p.own(words[0]) {
		return
	}
	args, ok := p.args(words, 4, 4, publishUsage)
	if !ok {
		return
	}
	pub := Publish{Protocol: protocols[args[0].text], Pos: p.pos(words[0].col)}
	if pub.Protocol != TCP && pub.Protocol != UDP {
		p.errorf(args[0].col, "tcp or udp"+suggest(args[0].text, []string{"tcp", "udp"}), "unknown protocol %q", args[0].text)
		return
	}
	if args[2].text != "->" {
		p.errorf(args[2].col, publishUsage, "%q", args[2].text)
		return
	}
	host, err := netip.ParseAddrPort(args[1].text)
	if err != nil || host.Port() == 0 || host.Addr().Zone() != "" || host.Addr().Is4In6() {
		p.errorf(args[1].col, "an address of the host and a port, as 127.0.0.1:8080 or [::1]:8080", "%s", quote(args[1].text))
		return
	}
	pub.Host = host
	if pub.Port, ok = p.port(args[3], "a port from 1 to 65535"); !ok {
		return
	}
	key := published{pub.Protocol, pub.Host}
	if old, known := p.publish[key]; known {
		p.errorf(args[1].col, "each address of the host once", "%s is published twice (line %d)", pub.Host, old.Line)
		return
	}
	p.publish[key] = pub.Pos
	p.policy.Publish = append(p.policy.Publish, pub)
}
