package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

const manyRules = 10_000

// ruleRows compare a policy of a few file rules with one of many, half of them beside the files that are used.
func ruleRows(m *machine, rounds int) ([]row, error) {
	open, err := openRules(m, rounds)
	if err != nil {
		return nil, err
	}
	apache, err := apacheRules(m, rounds)
	return []row{open, apache}, err
}

func openRules(m *machine, rounds int) (row, error) {
	r := row{name: "number of rules: open+read+close 1 KiB", unit: "ns", rounds: 2 * rounds}
	var bundles []string
	for _, n := range []int{10, manyRules} {
		bundle, err := m.workBundle(fmt.Sprintf("bench-rules%d", n), withRules(workPolicy, "/data", n))
		if err != nil {
			return row{}, err
		}
		bundles = append(bundles, bundle)
		r.subjects = append(r.subjects, subject{fmt.Sprint(n, " rules"), func() (float64, error) {
			if err := m.both(bundles...); err != nil {
				return 0, err
			}
			return m.worker(bundle, "open", "/data")
		}})
	}
	return r, nil
}

func apacheRules(m *machine, rounds int) (row, error) {
	r := row{name: "number of rules: Apache, 1 KiB, requests/s", unit: "1/s", rate: true, rounds: rounds}
	for _, n := range []int{0, manyRules} {
		rules := 0
		bundle, err := m.apache(fmt.Sprintf("bench-apacherules%d", n), func(*specs.Spec) {}, func(policy string) string {
			policy, _, _ = strings.Cut(policy, "@replicate")
			policy = withoutPublish(policy)
			rules = max(n, strings.Count(policy, "\nfile "))
			return withRules(policy, "/var/www/html", rules)
		})
		if err != nil {
			return row{}, err
		}
		if err := os.WriteFile(filepath.Join(bundle, "site/1k"), make([]byte, 1<<10), 0o644); err != nil {
			return row{}, err
		}
		id, err := m.container("klw-runc", bundle)
		if err != nil {
			return row{}, err
		}
		address, err := m.addressOf(id)
		if err != nil {
			return row{}, err
		}
		address = net.JoinHostPort(address, "80")
		if err := waitFor(address); err != nil {
			return row{}, err
		}
		url := "http://" + address + "/1k"
		r.subjects = append(r.subjects, subject{fmt.Sprint(rules, " rules"), func() (float64, error) { return requests(url) }})
	}
	return r, nil
}

// withRules fills a policy up to n file rules: in turn for names in a folder, and for places elsewhere.
func withRules(policy, folder string, n int) string {
	var more strings.Builder
	for i := strings.Count(policy, "\nfile "); i < n; i++ {
		place := folder
		if i%2 == 0 {
			place = fmt.Sprintf("/srv/%d/a/b", i%97)
		}
		fmt.Fprintf(&more, "file %s/%d read\n", place, i)
	}
	return strings.Replace(policy, "@general\n", "@general\n"+more.String(), 1)
}
