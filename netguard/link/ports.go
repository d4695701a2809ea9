package link

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"golang.org/x/sys/unix"

	"klw/internal/policy"
)

// hold takes the published ports of the host, so that nobody else has or gets them. Whoever reaches such a socket in
// spite of the translation is sent away.
func hold(publish []policy.Publish) (held []io.Closer, err error) {
	for _, p := range publish {
		c, err := holdOne(p)
		if err != nil {
			release(held)
			return nil, fmt.Errorf("%s: %s: %w", p.Pos.Rule(), p, err)
		}
		held = append(held, c)
	}
	return held, nil
}

func release(held []io.Closer) {
	for _, c := range held {
		c.Close()
	}
}

func holdOne(p policy.Publish) (c io.Closer, err error) {
	if !p.Host.Addr().Is4() {
		return nil, errors.New("IPv6 addresses can't be published yet, expected an IPv4 address")
	}
	var lc net.ListenConfig
	lc.SetMultipathTCP(false)
	if p.Protocol == policy.UDP {
		c, err = lc.ListenPacket(context.Background(), "udp4", p.Host.String())
	} else {
		var l net.Listener
		if l, err = lc.Listen(context.Background(), "tcp4", p.Host.String()); err == nil {
			go sendAway(l)
			c = l
		}
	}
	switch {
	case errors.Is(err, unix.EADDRINUSE):
		return nil, fmt.Errorf("port %d of %s is in use on this host: stop what uses it, or publish another port", p.Host.Port(), p.Host.Addr())
	case errors.Is(err, unix.EADDRNOTAVAIL):
		return nil, fmt.Errorf("%s is no address of this host", p.Host.Addr())
	case err != nil:
		return nil, err
	}
	return c, nil
}

func sendAway(l net.Listener) {
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		_ = c.(*net.TCPConn).SetLinger(0) // a reset instead of an end, if it can be
		c.Close()
	}
}
