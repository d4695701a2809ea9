package initproc

import (
	"errors"
	"fmt"
	"os"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"klw/runtime/launch"
)

// label sets the AppArmor profile that execve is to apply.
func (p *proc) label() error {
	profile := p.Config.Spec.Process.ApparmorProfile
	if profile == "" {
		return nil
	}
	err := p.host.write("self/attr/apparmor/exec", "exec "+profile)
	if errors.Is(err, unix.ENOENT) { // a kernel before 5.1, or a profile that isn't loaded
		err = p.host.write("self/attr/exec", "exec "+profile)
	}
	return doing(err, "setting the AppArmor profile %q (is it loaded?)", profile)
}

var schedulerPolicies = map[specs.LinuxSchedulerPolicy]uint32{
	specs.SchedOther: unix.SCHED_NORMAL, specs.SchedFIFO: unix.SCHED_FIFO, specs.SchedRR: unix.SCHED_RR,
	specs.SchedBatch: unix.SCHED_BATCH, specs.SchedISO: 4, specs.SchedIdle: unix.SCHED_IDLE,
	specs.SchedDeadline: unix.SCHED_DEADLINE,
}

var schedulerFlags = map[specs.LinuxSchedulerFlag]uint64{
	specs.SchedFlagResetOnFork: unix.SCHED_FLAG_RESET_ON_FORK, specs.SchedFlagReclaim: unix.SCHED_FLAG_RECLAIM,
	specs.SchedFlagDLOverrun: unix.SCHED_FLAG_DL_OVERRUN, specs.SchedFlagKeepPolicy: unix.SCHED_FLAG_KEEP_POLICY,
	specs.SchedFlagKeepParams: unix.SCHED_FLAG_KEEP_PARAMS, specs.SchedFlagUtilClampMin: unix.SCHED_FLAG_UTIL_CLAMP_MIN,
	specs.SchedFlagUtilClampMax: unix.SCHED_FLAG_UTIL_CLAMP_MAX,
}

var ioClasses = map[specs.IOPriorityClass]int{
	specs.IOPRIO_CLASS_RT: 1, specs.IOPRIO_CLASS_BE: 2, specs.IOPRIO_CLASS_IDLE: 3,
}

// schedule sets the process's scheduler, input and output priority, and personality.
func (p *proc) schedule() error {
	s := p.Config.Spec.Process
	if err := setScheduler(s.Scheduler); err != nil {
		return err
	}
	if io := s.IOPriority; io != nil {
		class, ok := ioClasses[io.Class]
		if !ok {
			return fmt.Errorf("process.ioPriority: unknown class %q", io.Class)
		}
		const whoProcess, classShift = 1, 13
		_, _, e := unix.RawSyscall(unix.SYS_IOPRIO_SET, whoProcess, 0, uintptr(class<<classShift|io.Priority))
		if e != 0 {
			return doing(e, "setting the priority of input and output")
		}
	}
	if a := s.ExecCPUAffinity; a != nil && p.Config.Exec {
		if err := launch.SetCPUs(0, a.Final); err != nil {
			return err
		}
	}
	return p.personality()
}

func setScheduler(s *specs.Scheduler) error {
	if s == nil {
		return nil
	}
	policy, ok := schedulerPolicies[s.Policy]
	if !ok {
		return fmt.Errorf("process.scheduler: unknown policy %q", s.Policy)
	}
	a := &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: policy, Nice: s.Nice, Priority: uint32(s.Priority),
		Runtime: s.Runtime, Deadline: s.Deadline, Period: s.Period}
	for _, f := range s.Flags {
		bit, ok := schedulerFlags[f]
		if !ok {
			return fmt.Errorf("process.scheduler: unknown flag %q", f)
		}
		a.Flags |= bit
	}
	return doing(unix.SchedSetAttr(0, a, 0), "setting the scheduler")
}

func (p *proc) personality() error {
	l := p.Config.Spec.Linux
	if l == nil || l.Personality == nil {
		return nil
	}
	if len(l.Personality.Flags) > 0 {
		return errors.New("linux.personality: flags are not supported")
	}
	domains := map[specs.LinuxPersonalityDomain]uintptr{specs.PerLinux: 0, specs.PerLinux32: 8}
	domain, ok := domains[l.Personality.Domain]
	if !ok {
		return fmt.Errorf("linux.personality: unknown domain %q", l.Personality.Domain)
	}
	if _, _, e := unix.RawSyscall(unix.SYS_PERSONALITY, domain, 0, 0); e != 0 {
		return doing(os.NewSyscallError("personality", e), "setting the personality")
	}
	return nil
}
