// Command bench measures klw against its peers and against no guard at all, in one run (make bench).
//
// Every row names its subjects; each figure is the speed relative to the first of them (above 1 is faster): the median
// over interleaved rounds, and in brackets the 10th and 90th percentile. Absolute figures go to the JSON file only.
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"regexp"
)

func main() {
	log.SetFlags(0)
	file := flag.String("json", "bench.json", "where to write the figures")
	only := flag.String("only", "", "a pattern of the rows to run")
	rounds := flag.Int("rounds", 15, "how often each subject runs")
	top := flag.String("top", ".", "the repository")
	flag.Parse()
	if err := bench(*top, *file, *only, *rounds); err != nil {
		log.Fatal("bench: ", err)
	}
}

func bench(top, file, only string, rounds int) error {
	pattern, err := regexp.Compile(only)
	if err != nil {
		return err
	}
	if top, err = filepath.Abs(top); err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "klw-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	m, err := newMachine(top, work)
	if err != nil {
		return err
	}
	defer m.close()
	var results []result
	for _, group := range []func(*machine, int) ([]row, error){startRows, workRows, ruleRows, replicaRows, apacheRows} {
		rows, err := group(m, rounds)
		if err != nil {
			return err
		}
		for _, r := range rows {
			if !pattern.MatchString(r.name) {
				continue
			}
			res, err := r.measure()
			if err != nil {
				return err
			}
			fmt.Println(res)
			results = append(results, res)
		}
		m.stopAll()
	}
	return save(file, results)
}
