package policy

import (
	"net/netip"
	"strconv"
	"strings"
)

const (
	socketUsage = "socket tcp|udp listen|connect ADDRESS:PORT, or socket unix listen|connect @NAME"
	addressForm = ":80, 10.0.0.1:80, 10.0.0.0/24:80, [fd00::1]:80 or [fd00::/8]:80, with * for every port"
	maxAbstract = 107
)

var (
	protocols = map[string]Protocol{"tcp": TCP, "udp": UDP, "unix": Unix}
	actions   = map[string]SocketAction{"listen": Listen, "connect": Connect}
)

// socketKey finds a socket rule of a list.
type socketKey struct {
	module, list int
	rule         SocketRule // without Pos
}

// parseSocketRule reads: socket PROTOCOL ACTION WHAT
func (p *parser) parseSocketRule(words []word) {
	star := len(words) == 4 && words[3].star
	if star {
		words[3].star = false // the only place that may have one
	}
	args, ok := p.args(words, 3, 3, socketUsage)
	if !ok {
		return
	}
	args[2].star = star
	if r, ok := p.socket(args); ok {
		p.addSocket(r, words[0].col)
	}
}

// socket reads the three words of a rule behind "socket".
func (p *parser) socket(args []word) (r SocketRule, ok bool) {
	r = SocketRule{Protocol: protocols[args[0].text], Action: actions[args[1].text]}
	switch {
	case r.Protocol == 0:
		p.errorf(args[0].col, "tcp, udp or unix"+suggest(args[0].text, []string{"tcp", "udp", "unix"}), "unknown protocol %q", args[0].text)
		return r, false
	case r.Action == 0:
		p.errorf(args[1].col, "listen or connect"+suggest(args[1].text, []string{"listen", "connect"}), "unknown action %q", args[1].text)
		return r, false
	case r.Protocol == Unix:
		return r, p.abstract(args[2], &r)
	}
	return r, p.address(args[2], &r)
}

// addSocket puts a rule into its list. The same rule from another file is one rule.
func (p *parser) addSocket(r SocketRule, col int) {
	key := socketKey{p.module, p.list, r}
	if at, known := p.sockets[key]; known {
		if at.File == p.file {
			p.errorf(col, "each rule once", "%q stands in %s twice (line %d)", r, p.where(), at.Line)
		}
		return
	}
	r.Pos = p.pos(col)
	p.sockets[key] = r.Pos
	list := p.rules()
	list.Sockets = append(list.Sockets, r)
}

// abstract reads @NAME or @NAME*.
func (p *parser) abstract(w word, r *SocketRule) bool {
	name, ok := strings.CutPrefix(w.text, "@")
	if !ok {
		p.errorf(w.col, "an abstract name with @ before it (socket files are the file rules' matter)", "%s", quote(w.text))
		return false
	}
	r.Prefix = w.star
	if !w.quoted {
		name, r.Prefix = strings.CutSuffix(name, "*")
	}
	if name == "" && !r.Prefix {
		p.errorf(w.col, "@NAME, or @* for every name", "an empty name")
		return false
	}
	if len(name) > maxAbstract {
		p.errorf(w.col, "at most 107 bytes", "a name of %d bytes", len(name))
		return false
	}
	r.Abstract = name
	return true
}

// address reads :PORT, ADDRESS:PORT or NETWORK:PORT.
func (p *parser) address(w word, r *SocketRule) bool {
	i := strings.LastIndexByte(w.text, ':')
	if i < 0 || w.star {
		p.errorf(w.col, addressForm, "%s has no port", quote(w.text))
		return false
	}
	host, port := w.text[:i], w.text[i+1:]
	if port != "*" {
		n, ok := p.port(word{text: port, col: w.col + i + 1}, "a port from 1 to 65535, or *")
		if !ok {
			return false
		}
		r.Port = n
	}
	if host == "" {
		return true
	}
	net, ok := p.network(word{text: host, col: w.col})
	if ok && r.Action == Connect && net.IsSingleIP() && net.Addr().IsUnspecified() {
		p.errorf(w.col, "an address, a network, or none before the colon", "%s is no address to connect to", net.Addr())
		return false
	}
	r.Net = net
	return ok
}

// network reads an address or a network, IPv6 in brackets.
func (p *parser) network(w word) (netip.Prefix, bool) {
	inner, six := w.text, false
	if strings.HasPrefix(inner, "[") && strings.HasSuffix(inner, "]") {
		inner, six = inner[1:len(inner)-1], true
	}
	net, err := netip.ParsePrefix(inner)
	zone := ""
	if err != nil {
		addr, aerr := netip.ParseAddr(inner)
		if aerr != nil {
			p.errorf(w.col, addressForm, "%s is not an address", quote(w.text))
			return net, false
		}
		net, zone = netip.PrefixFrom(addr, addr.BitLen()), addr.Zone()
	}
	switch {
	case zone != "":
		p.errorf(w.col, "an address without %", "%s has a zone", quote(w.text))
	case net.Addr().Is4In6():
		p.errorf(w.col, "the IPv4 address itself", "%s is an IPv4 address in IPv6", quote(w.text))
	case net.Addr().Is6() != six:
		p.errorf(w.col, "IPv6 in brackets, IPv4 without", "%s", quote(w.text))
	case net.Masked() != net:
		p.errorf(w.col, net.Masked().String(), "%s has bits behind the network", quote(w.text))
	default:
		return net, true
	}
	return net, false
}

// port reads a port number.
func (p *parser) port(w word, expected string) (uint16, bool) {
	n, err := strconv.ParseUint(w.text, 10, 16)
	if err != nil || n == 0 || w.text[0] == '0' || w.text[0] == '+' {
		p.errorf(w.col, expected, "%q is not a port", w.text)
		return 0, false
	}
	return uint16(n), true
}
