package policy

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// block is a code block of the reference.
type block struct {
	kind, text string
	line       int
}

func blocks(t *testing.T) (list []block) {
	b, err := os.ReadFile("../../docs/policy.md")
	if err != nil {
		t.Fatal(err)
	}
	in := false
	for i, line := range strings.Split(string(b), "\n") {
		switch {
		case strings.HasPrefix(line, "```") && !in:
			list = append(list, block{kind: line[3:], line: i + 1})
			in = true
		case strings.HasPrefix(line, "```"):
			in = false
		case in:
			list[len(list)-1].text += line + "\n"
		}
	}
	return list
}

// TestReference parses every policy of docs/policy.md, and compares its mistakes with those shown.
func TestReference(t *testing.T) {
	kinds := map[string]int{}
	list := blocks(t)
	folder := fstest.MapFS{}
	for i, b := range list {
		if name, ok := strings.CutPrefix(b.kind, "file "); ok {
			folder[name] = &fstest.MapFile{Data: []byte(b.text)}
			continue
		}
		kinds[b.kind]++
		switch b.kind {
		case "policy":
			p, err := ParseWith("policy", []byte(b.text), FolderResolver(folder))
			if err != nil {
				t.Errorf("docs/policy.md:%d: %v", b.line, err)
				continue
			}
			again(t, p, FolderResolver(folder))
		case "policy-with-mistakes":
			_, err := Parse("web.policy", []byte(b.text))
			if err == nil {
				t.Fatalf("docs/policy.md:%d: no mistake", b.line)
			}
			if diff := cmp.Diff(list[i+1].text, err.Error()+"\n"); list[i+1].kind != "mistakes" || diff != "" {
				t.Errorf("docs/policy.md:%d: shown -, real +:\n%s", list[i+1].line, diff)
			}
		case "mistakes", "ebnf", "decisions":
		default:
			t.Errorf("docs/policy.md:%d: a code block of kind %q is not tested", b.line, b.kind)
		}
	}
	if kinds["policy"] < 4 || kinds["policy-with-mistakes"] < 2 || kinds["ebnf"] != 1 {
		t.Error("blocks are missing:", kinds)
	}
}

// TestGrammarWords compares the words of the grammar with those of the parser.
func TestGrammarWords(t *testing.T) {
	parser := slices.Concat(headerWords, sectionWords, ruleWords, permWords, reserveWords, expectWords,
		[]string{"on", "off", "own", "all", "->", "*", "as"})
	for w := range protocols {
		parser = append(parser, w)
	}
	for w := range actions {
		parser = append(parser, w)
	}
	grammar := map[string]bool{}
	for _, b := range blocks(t) {
		if b.kind != "ebnf" {
			continue
		}
		rules, _, _ := strings.Cut(b.text, "\n\nName ")
		for _, m := range regexp.MustCompile(`"([^"]+)"`).FindAllStringSubmatch(rules, -1) {
			if len(m[1]) > 1 || m[1] == "*" {
				grammar[m[1]] = true
			}
		}
	}
	for _, w := range parser {
		if !grammar[w] {
			t.Errorf("the grammar lacks %q", w)
		}
		delete(grammar, w)
	}
	if len(grammar) > 0 {
		t.Errorf("the parser lacks %v", grammar)
	}
}

// TestExamples parses the policies that people start from.
func TestExamples(t *testing.T) {
	files, err := filepath.Glob("../../examples/policies/*.policy")
	if err != nil || len(files) == 0 {
		t.Fatal("no examples", err)
	}
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		p, err := Parse(filepath.Base(file), src)
		if err != nil {
			t.Error(err)
			continue
		}
		again(t, p, nil)
	}
}
