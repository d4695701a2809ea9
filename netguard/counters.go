package netguard

import (
	"fmt"

	"github.com/cilium/ebpf"
)

func (k *kernel) counter(which uint32) (uint64, error) {
	var each []uint64
	if err := k.Counters.Lookup(which, &each); err != nil {
		return 0, fmt.Errorf("read a counter: %w", err)
	}
	var sum uint64
	for _, n := range each {
		sum += n
	}
	return sum, nil
}

func (k *kernel) stats() (s Stats, err error) {
	if s.Refused, err = k.counter(counterRefused); err != nil {
		return s, err
	}
	s.Lost, err = k.counter(counterLost)
	return s, err
}

// resetCounters forgets what the self-test counted.
func (k *kernel) resetCounters() error {
	for which := range uint32(numCounters) {
		if err := k.reset(which); err != nil {
			return err
		}
	}
	return nil
}

func (k *kernel) reset(which uint32) error {
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		return fmt.Errorf("count the CPUs: %w", err)
	}
	if err := k.Counters.Put(which, make([]uint64, cpus)); err != nil {
		return fmt.Errorf("reset a counter: %w", err)
	}
	return nil
}
