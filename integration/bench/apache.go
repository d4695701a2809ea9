package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/vishvananda/netns"
)

// apacheRows count Apache's requests per second: under runc, under klw-runc without a policy, guarded, and guarded with
// its site on a replicated mount, whose own server is asked too.
func apacheRows(m *machine, rounds int) ([]row, error) {
	type server struct{ name, runtime, address string }
	servers := []server{{name: "runc", runtime: "runc"}, {name: "klw-runc", runtime: "klw-runc"},
		{name: "guarded", runtime: "klw-runc"}, {name: "guarded and replicated", runtime: "klw-runc"}}
	for i := range servers {
		s := &servers[i]
		guarded, replicated := i >= 2, i == 3
		address, path := "", ""
		if !guarded {
			var err error
			if address, path, err = m.namespace(i); err != nil {
				return nil, err
			}
		}
		bundle, err := m.apache(fmt.Sprintf("bench-apache%d", i), func(spec *specs.Spec) { networkPath(spec, path) }, func(policy string) string {
			if !guarded {
				return ""
			}
			if !replicated {
				policy, _, _ = strings.Cut(policy, "@replicate")
			}
			return withoutPublish(policy)
		})
		if err != nil {
			return nil, err
		}
		for name, size := range map[string]int{"1k": 1 << 10, "100k": 100 << 10} {
			if err := os.WriteFile(filepath.Join(bundle, "site", name), make([]byte, size), 0o644); err != nil {
				return nil, err
			}
		}
		id, err := m.container(s.runtime, bundle)
		if err != nil {
			return nil, err
		}
		if guarded {
			if address, err = m.addressOf(id); err != nil {
				return nil, err
			}
		}
		s.address = net.JoinHostPort(address, "80")
		if err := waitFor(s.address); err != nil {
			return nil, err
		}
	}
	var rows []row
	for _, name := range []string{"1k", "100k"} {
		r := row{name: "Apache, " + name + "iB, requests/s", unit: "1/s", rate: true, rounds: (rounds + 1) / 2}
		for _, s := range servers {
			url := "http://" + s.address + "/" + name
			r.subjects = append(r.subjects, subject{s.name, func() (float64, error) { return requests(url) }})
		}
		rows = append(rows, r)
	}
	return rows, nil
}

// withoutPublish leaves out the published port: the bench goes to the container's own address, as it does for the
// others.
func withoutPublish(policy string) string {
	return regexp.MustCompile(`(?m)^publish .*\n`).ReplaceAllString(policy, "")
}

var perSecond = regexp.MustCompile(`Requests/sec:\s+([0-9.]+)`)

func requests(url string) (float64, error) {
	out, err := exec.Command("wrk", "-t1", "-c8", "-d1s", url).CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("wrk: %w: %s", err, out)
	}
	found := perSecond.FindSubmatch(out)
	if found == nil || strings.Contains(string(out), "Non-2xx") {
		return 0, fmt.Errorf("wrk: %s", out)
	}
	return strconv.ParseFloat(string(found[1]), 64)
}

func waitFor(address string) error {
	var err error
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		var c net.Conn
		if c, err = net.DialTimeout("tcp4", address, time.Second); err == nil {
			return c.Close()
		}
	}
	return err
}

// namespace makes a network namespace with a routed link, like the one a guard makes.
func (m *machine) namespace(i int) (address, path string, err error) {
	name, veth := fmt.Sprintf("klw-bench%d", i), fmt.Sprintf("klwbench%d", i)
	host, address := fmt.Sprintf("100.126.%d.1", i+1), fmt.Sprintf("100.126.%d.2", i+1)
	_ = exec.Command("ip", "link", "del", veth).Run()
	_ = netns.DeleteNamed(name)
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // the thread ends with its namespace
		_, err := netns.NewNamed(name)
		done <- err
	}()
	if err := <-done; err != nil {
		return "", "", fmt.Errorf("network namespace: %w", err)
	}
	m.later(func() { _ = netns.DeleteNamed(name) })
	for _, line := range []string{
		"link add " + veth + " type veth peer name eth0 netns " + name,
		"addr add " + host + "/30 dev " + veth, "link set " + veth + " up",
		"-n " + name + " addr add " + address + "/30 dev eth0", "-n " + name + " link set eth0 up",
		"-n " + name + " link set lo up", "-n " + name + " route add default via " + host,
	} {
		if out, err := exec.Command("ip", strings.Fields(line)...).CombinedOutput(); err != nil {
			return "", "", fmt.Errorf("ip %s: %w: %s", line, err, out)
		}
	}
	return address, "/run/netns/" + name, nil
}

// addressOf asks the container's own namespace for the address that it would use outside.
func (m *machine) addressOf(id string) (string, error) {
	pid, err := m.pid(id)
	if err != nil {
		return "", err
	}
	out, err := exec.Command("nsenter", "-t", pid, "-n", "ip", "-4", "route", "get", "192.0.2.1").Output()
	if err != nil {
		return "", err
	}
	_, after, ok := strings.Cut(string(out), " src ")
	if !ok {
		return "", fmt.Errorf("no address in %q", out)
	}
	return strings.Fields(after)[0], nil
}
