package link

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"

	"github.com/vishvananda/netns"

	"klw/internal/policy"
)

// Options say what to make.
type Options struct {
	ID      string // the container's
	PID     int    // a process in the container's network namespace, as this process sees it
	Publish []policy.Publish
}

// Link is a container's network.
type Link struct {
	Address netip.Addr // the container's
	Table   string
	Veth    string
	Notes   []string // what won't work on this host as it is set up, for the log

	held []io.Closer
}

// Setup makes a container's network. With an error nothing is left.
func Setup(o Options) (*Link, error) {
	l := &Link{Notes: notes(o.Publish)}
	l.Table, l.Veth = Names(o.ID)
	ns, err := netns.GetFromPid(o.PID)
	if err != nil {
		return nil, fmt.Errorf("open the network namespace of process %d: %w", o.PID, err)
	}
	defer ns.Close()
	if err := foreign(ns); err != nil {
		return nil, err
	}
	if l.held, err = hold(o.Publish); err != nil {
		return nil, err
	}
	if err := l.make(ns, o); err != nil {
		release(l.held)
		return nil, err
	}
	return l, nil
}

// foreign refuses to touch our own network namespace.
func foreign(ns netns.NsHandle) error {
	own, err := netns.Get()
	if err != nil {
		return fmt.Errorf("open the network namespace: %w", err)
	}
	defer own.Close()
	if ns.Equal(own) {
		return errors.New("the container has no network namespace of its own")
	}
	return nil
}

// make makes what outlives us. The table comes first: no packet of the container passes without it.
func (l *Link) make(ns netns.NsHandle, o Options) error {
	unlock, err := lock()
	if err != nil {
		return err
	}
	defer unlock()
	if l.Address, err = freeAddress(o.ID); err != nil {
		return err
	}
	if err := makeTable(l.Table, l.Veth, l.Address, o.Publish); err != nil {
		return exists(err, o.ID)
	}
	if err := makeVeth(l.Veth, ns, l.Address); err != nil {
		return errors.Join(exists(err, o.ID), Cleanup(l.Table, l.Veth))
	}
	return nil
}

// exists says what to do about the rests of another container of that id.
func exists(err error, id string) error {
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%w: a container %s has or had a network on this host: delete it first", err, id)
	}
	return err
}

// Close takes the network away and gives the published ports back.
func (l *Link) Close() error {
	err := Cleanup(l.Table, l.Veth)
	release(l.held)
	l.held = nil
	return err
}

// Cleanup removes what Setup made, by the names that Names gives. It removes what is there and is content with nothing.
// Names that aren't of that kind are refused; an empty one means that there is none.
func Cleanup(table, veth string) error {
	var errs []error
	if veth != "" {
		if strings.HasPrefix(veth, vethPrefix) {
			errs = append(errs, removeVeth(veth))
		} else {
			errs = append(errs, fmt.Errorf("%s is no interface of a container", veth))
		}
	}
	if table != "" {
		if strings.HasPrefix(table, tablePrefix) {
			errs = append(errs, removeTable(table))
		} else {
			errs = append(errs, fmt.Errorf("%s is no table of a container", table))
		}
	}
	return errors.Join(errs...)
}

// notes tells what the host's settings keep from working.
func notes(publish []policy.Publish) []string {
	forward, err := os.ReadFile("/proc/sys/net/ipv4/ip_forward")
	if err == nil && bytes.TrimSpace(forward) != nil && bytes.TrimSpace(forward)[0] == '1' {
		return nil
	}
	n := []string{"net.ipv4.ip_forward is 0: connections of the container to other machines get no answer"}
	for _, p := range publish {
		if !p.Host.Addr().IsLoopback() {
			n = append(n, fmt.Sprintf("net.ipv4.ip_forward is 0: %s is reachable from this host only", p.Host))
		}
	}
	return n
}
