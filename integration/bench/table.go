package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"sort"
	"strings"
)

// row is one kind of work, done by several subjects in turn. The first subject is what the others are compared with.
type row struct {
	name     string
	unit     string // of the figures, for the JSON
	rate     bool   // more is better (requests per second), else less (time)
	rounds   int
	subjects []subject
	// apart prepares a thread of its own, on which the subjects then run, so that what they start inherits it.
	apart func() error
}

type subject struct {
	name string
	run  func() (float64, error)
}

// result is what a row came to. Absolute figures of one machine mean nothing to another: read the ratios.
type result struct {
	Name     string    `json:"name"`
	Unit     string    `json:"unit"`
	Rounds   int       `json:"rounds"`
	Subjects []figures `json:"subjects"`
}

type figures struct {
	Name   string  `json:"name"`
	Median float64 `json:"median"`
	// Ratio to the first subject as speed: above 1 is faster. Each round gives one; these are its 10th, 50th and 90th
	// percentile.
	P10   float64 `json:"p10"`
	Ratio float64 `json:"ratio"`
	P90   float64 `json:"p90"`
}

// measure runs the row, on a thread of its own if it asks for that.
func (r row) measure() (res result, err error) {
	if r.apart == nil {
		return r.inTurn()
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked: the thread ends with what was prepared
		if err = r.apart(); err == nil {
			res, err = r.inTurn()
		}
	}()
	<-done
	return res, err
}

// inTurn runs the subjects in turn, round by round, so that what disturbs the machine disturbs all.
func (r row) inTurn() (result, error) {
	samples := make([][]float64, len(r.subjects))
	for round := -1; round < r.rounds; round++ { // one round to warm up
		for i, s := range r.subjects {
			v, err := s.run()
			if err != nil {
				return result{}, fmt.Errorf("%s, %s: %w", r.name, s.name, err)
			}
			if round >= 0 {
				samples[i] = append(samples[i], v)
			}
		}
	}
	res := result{Name: r.name, Unit: r.unit, Rounds: r.rounds}
	for i, s := range r.subjects {
		ratios := make([]float64, r.rounds)
		for k := range ratios {
			ratios[k] = samples[0][k] / samples[i][k]
			if r.rate {
				ratios[k] = 1 / ratios[k]
			}
		}
		res.Subjects = append(res.Subjects, figures{
			Name: s.name, Median: percentile(samples[i], 50),
			P10: percentile(ratios, 10), Ratio: percentile(ratios, 50), P90: percentile(ratios, 90),
		})
	}
	return res, nil
}

func percentile(values []float64, p int) float64 {
	sorted := append([]float64(nil), values...)
	sort.Float64s(sorted)
	return sorted[(len(sorted)-1)*p/100]
}

// String prints the row: speeds relative to the first subject.
func (r result) String() string {
	var parts []string
	for i, f := range r.Subjects {
		if i == 0 {
			parts = append(parts, f.Name+" 1")
			continue
		}
		parts = append(parts, fmt.Sprintf("%s %.3g (%.3g–%.3g)", f.Name, f.Ratio, f.P10, f.P90))
	}
	return fmt.Sprintf("%-34s %s", r.Name, strings.Join(parts, ", "))
}

func save(file string, results []result) error {
	text, err := json.MarshalIndent(results, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644)
}
