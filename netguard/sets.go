package netguard

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"klw/internal/policy"
)

// install fills the set that isn't active and makes it the active one. With an error nothing has changed.
func (k *kernel) install(r *Rules) error {
	slot := (k.state & activeSet) ^ activeSet
	// At the same time, because the kernel waits a grace period for each.
	unixDone := make(chan error, 1)
	go func() { unixDone <- k.fill(k.Unix, slot, "unix_sets", r, fillUnix) }()
	err := k.fill(k.Inet, slot, "inet_sets", r, fillInet)
	if err := errors.Join(err, <-unixDone); err != nil {
		return err
	}
	state := slot | k.state&activeLearn
	if r.hasUsers() {
		state |= activeUsers
	}
	if err := k.Active.Put(uint32(0), state); err != nil {
		return fmt.Errorf("switch to the new rules: %w", err)
	}
	k.state = state
	return nil
}

// fill makes a set of its own and puts it, complete, into its place.
func (k *kernel) fill(outer *ebpf.Map, slot uint32, name string, r *Rules, rules func(*ebpf.Map, *Rules) error) error {
	inner := k.spec.Maps[name].InnerMap.Copy()
	inner.MaxEntries = uint32(2*len(r.list) + 1)
	set, err := ebpf.NewMap(inner)
	if err != nil {
		return fmt.Errorf("make a map for %d rules: %w", len(r.list), err)
	}
	defer set.Close() // the outer map holds it
	if err := rules(set, r); err != nil {
		return err
	}
	if err := outer.Put(slot, set); err != nil {
		return fmt.Errorf("put the new rules into %s: %w", name, err)
	}
	return nil
}

func fillInet(set *ebpf.Map, r *Rules) error {
	for _, b := range r.list {
		if b.Protocol == policy.Unix {
			continue
		}
		for _, key := range b.inetKeys() {
			if err := putFirst(set, &key, b); err != nil {
				return err
			}
		}
	}
	return nil
}

func fillUnix(set *ebpf.Map, r *Rules) error {
	for _, b := range r.list {
		if b.Protocol != policy.Unix {
			continue
		}
		key := b.unixKey()
		if err := putFirst(set, &key, b); err != nil {
			return err
		}
	}
	return nil
}

// putFirst puts a rule in unless the same stands there. The value is the rule's line, for bpftool and tests.
func putFirst(set *ebpf.Map, key any, b bound) error {
	err := set.Update(key, uint32(b.Pos.Line), ebpf.UpdateNoExist)
	if err != nil && !errors.Is(err, ebpf.ErrKeyExist) && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("%s: give the kernel %q: %w", b.Pos.Rule(), b.SocketRule, err)
	}
	return nil
}
