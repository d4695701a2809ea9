package conformance

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

const reference = "../../docs/file-operations.md"

// provenElsewhere are rows of the reference and the tests that prove them, beside scenes.
var provenElsewhere = map[string][]string{
	rowStat:                  {"TestHostChanges", "TestDiffers"},
	rowOpen:                  {"TestSame", "TestPassthroughRefused"},
	rowCreate:                {"TestAsNatively", "TestTmpfileGetsName", "TestDescriptorsBounded"},
	rowMknod:                 {"TestDevicesRefused"},
	rowSpecial:               {"TestLimitSpecial"},
	rowRename:                {"TestNamesAtRandom"},
	rowWhiteout:              {"TestDiffers"},
	rowChange:                {"TestChownToSame"},
	rowCopy:                  {"TestSame"},
	"FICLONE, FIDEDUPERANGE": {"TestDiffers"},
	rowIoctl:                 {"TestDiffers"},
	"flock":                  {"TestLocksAreShared", "TestLocksAreLocal", "TestWaitForLocks"},
	rowFcntl:                 {"TestLocksAreShared", "TestLocksAreLocal", "TestWaitForLocks"},
	"fsync":                  {"TestSame"},
	"removal of an access ACL by who is not in the group": {"TestSame"},
	"O_APPEND switched off by F_SETFL":                    {"TestAppendSwitched"},
	"offsets behind the file system's largest file":       {"TestSame"},
	"statx with AT_STATX_DONT_SYNC":                       {"TestHostChanges"},
	"space that a file system reserves for root":          {"TestReserve"},
	rowHoles:                                    {"TestSame"},
	"FS_IOC_GETFLAGS of a FIFO":                 {"TestSame"},
	"names of trusted.* attributes":             {"TestTrustedNames"},
	"splice and sendfile from a file to itself": {"TestSame"},
}

// TestReference holds docs/file-operations.md against the tests: each row is proven by a scene or a test, which is there.
func TestReference(t *testing.T) {
	rows := map[string]bool{}
	text, err := os.ReadFile(reference)
	check(t, err)
	for _, m := range regexp.MustCompile(`(?m)^\| (.+?) \|`).FindAllStringSubmatch(string(text), -1) {
		if m[1] != "---" && m[1] != "operation" && m[1] != "what" {
			rows[m[1]] = false
		}
	}
	prove := func(row, by string) {
		if _, ok := rows[row]; !ok {
			t.Errorf("%s proves %q, which isn't in the reference", by, row)
		}
		rows[row] = true
	}
	for _, sc := range scenes {
		for _, row := range sc.rows {
			prove(row, sc.name)
		}
		for _, d := range sc.differs {
			prove(d.row, sc.name)
		}
	}
	tests, err := exec.Command("grep", "-rhoE", `^func Test\w+`, "../../internal/view", ".").Output()
	check(t, err)
	for row, names := range provenElsewhere {
		for _, name := range names {
			prove(row, name)
			if !strings.Contains(string(tests), "func "+name+"\n") {
				t.Errorf("%q is to be proven by %s, which isn't there", row, name)
			}
		}
	}
	for row, proven := range rows {
		if !proven {
			t.Errorf("nothing proves %q", row)
		}
	}
}
