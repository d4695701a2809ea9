package link

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"

	"klw/internal/policy"
)

// table is the firewall's part: one table that names one interface and one address.
type table struct {
	conn    *nftables.Conn
	t       *nftables.Table
	veth    string
	addr    netip.Addr
	publish []policy.Publish
}

// makeTable makes the table with all its rules, or nothing.
func makeTable(name, veth string, addr netip.Addr, publish []policy.Publish) error {
	conn, err := nftables.New()
	if err != nil {
		return fmt.Errorf("reach nftables: %w", err)
	}
	t := &table{conn: conn, veth: veth, addr: addr, publish: publish}
	t.t = conn.CreateTable(&nftables.Table{Family: nftables.TableFamilyIPv4, Name: name})
	t.source()
	t.fromContainer()
	t.toContainer()
	t.publishTo()
	t.leave()
	if err := conn.Flush(); err != nil {
		return fmt.Errorf("make nftables table %s: %w", name, err)
	}
	return nil
}

func (t *table) chain(name string, typ nftables.ChainType, hook *nftables.ChainHook, prio *nftables.ChainPriority) func(...part) {
	c := t.conn.AddChain(&nftables.Chain{Table: t.t, Name: name, Type: typ, Hooknum: hook, Priority: prio})
	return func(parts ...part) {
		t.conn.AddRule(&nftables.Rule{Table: t.t, Chain: c, Exprs: join(parts)})
	}
}

// source drops, before connections are tracked, what the container may not even claim. Answers to clients of 127.0.0.1
// still have the gateway's address here.
func (t *table) source() {
	rule := t.chain("source", nftables.ChainTypeFilter, nftables.ChainHookPrerouting, nftables.ChainPriorityRaw)
	rule(iif(t.veth), daddrIn(loopback), drop)
	rule(iif(t.veth), saddrNot(t.addr), drop)
}

// fromContainer lets answers to the host's own addresses pass, and nothing else.
func (t *table) fromContainer() {
	rule := t.chain("from_container", nftables.ChainTypeFilter, nftables.ChainHookInput, nftables.ChainPriorityFilter)
	rule(iif(t.veth), established, accept)
	rule(iif(t.veth), drop)
}

// toContainer lets pass what is published, what comes from other containers (their rules and this one's decide), and
// answers.
func (t *table) toContainer() {
	rule := t.chain("to_container", nftables.ChainTypeFilter, nftables.ChainHookForward, nftables.ChainPriorityFilter)
	rule(oif(t.veth), established, accept)
	rule(oif(t.veth), translated, accept)
	rule(oif(t.veth), iifPrefix(vethPrefix), saddrIn(Range), accept)
	rule(oif(t.veth), drop)
}

// publishTo translates published addresses, for other machines and for clients on this one.
func (t *table) publishTo() {
	other := t.chain("publish", nftables.ChainTypeNAT, nftables.ChainHookPrerouting, nftables.ChainPriorityNATDest)
	local := t.chain("publish_local", nftables.ChainTypeNAT, nftables.ChainHookOutput, nftables.ChainPriorityNATDest)
	for _, p := range t.publish {
		target := []part{dport(p), dnat(t.addr, p.Port)}
		if !p.Host.Addr().IsLoopback() {
			other(append([]part{iifNot(t.veth), hostAddress(p.Host.Addr())}, target...)...)
		}
		local(append([]part{hostAddress(p.Host.Addr())}, target...)...)
	}
}

// leave gives what leaves a source address that answers find: the gateway's for clients of 127.0.0.1, the host's for
// what goes on to other machines.
func (t *table) leave() {
	rule := t.chain("leave", nftables.ChainTypeNAT, nftables.ChainHookPostrouting, nftables.ChainPriorityNATSource)
	rule(oif(t.veth), saddrIn(loopback), snat(Gateway))
	rule(saddr(t.addr), oifNot(t.veth), daddrNotIn(Range), masquerade)
}

// removeTable removes a table. It is no error if there is none.
func removeTable(name string) error {
	conn, err := nftables.New()
	if err != nil {
		return fmt.Errorf("reach nftables: %w", err)
	}
	conn.DelTable(&nftables.Table{Family: nftables.TableFamilyIPv4, Name: name})
	if err := conn.Flush(); err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("remove nftables table %s: %w", name, err)
	}
	return nil
}
