package view

import (
	"fmt"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// BenchmarkSurvey walks a root file system of 20,000 files, of which one in two hundred has several names. Set
// KLW_SURVEY_FILES for other sizes.
func BenchmarkSurvey(b *testing.B) {
	files := 20000
	if s := os.Getenv("KLW_SURVEY_FILES"); s != "" {
		if _, err := fmt.Sscan(s, &files); err != nil {
			b.Fatal(err)
		}
	}
	back := b.TempDir()
	for i := range files {
		dir := fmt.Sprintf("%s/%d/%d", back, i/1000, i/50)
		if i%50 == 0 {
			must(b, os.MkdirAll(dir, 0o755))
		}
		name := fmt.Sprintf("%s/file%d", dir, i)
		must(b, os.WriteFile(name, nil, 0o644))
		if i%200 == 0 {
			must(b, os.Link(name, name+"again"))
		}
	}
	s := newServer(b)
	attach(b, s, Options{Source: back})
	s.KnowAllNames()
	before := cpu(b)
	for b.Loop() {
		must(b, s.survey.walk(&surveyRun{number: 1, ctx: b.Context()}))
	}
	b.ReportMetric(float64(cpu(b)-before)/float64(b.N)/float64(files), "cpu-ns/file")
	b.ReportMetric(float64(s.Inodes()), "inodes")
}

// cpu is the time that this process has used.
func cpu(b *testing.B) time.Duration {
	var u unix.Rusage
	must(b, unix.Getrusage(unix.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
