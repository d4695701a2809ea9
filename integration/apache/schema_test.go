package apache

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"klw/internal/layout"
)

// schema is what docs/events.schema.json uses of JSON Schema.
type schema struct {
	Required   []string
	Properties map[string]struct {
		Type    string
		Enum    []string
		Format  string
		Minimum float64
	}
}

// eventsAreValid checks every line that was logged of the container against the schema.
func (b *box) eventsAreValid() {
	b.Helper()
	var s schema
	text, err := os.ReadFile(filepath.Join(top, "docs/events.schema.json"))
	b.must(err)
	b.must(json.Unmarshal(text, &s))
	logged, err := os.ReadFile(filepath.Join(layout.Root(b.root).Events(), b.id+".jsonl"))
	if os.IsNotExist(err) {
		return // never had a guard
	}
	b.must(err)
	for line := range strings.Lines(string(logged)) {
		for _, wrong := range s.check(line) {
			b.Errorf("event %s: %s", strings.TrimSpace(line), wrong)
		}
	}
}

func (s *schema) check(line string) (wrong []string) {
	var e map[string]any
	if err := json.Unmarshal([]byte(line), &e); err != nil {
		return []string{err.Error()}
	}
	for _, name := range s.Required {
		if _, ok := e[name]; !ok {
			wrong = append(wrong, name+" is missing")
		}
	}
	for name, value := range e {
		p, known := s.Properties[name]
		text, isText := value.(string)
		number, isNumber := value.(float64)
		switch {
		case !known:
			wrong = append(wrong, name+" is not in the schema")
		case p.Type == "string" && !isText, p.Type == "integer" && (!isNumber || number != float64(int64(number)) || number < p.Minimum):
			wrong = append(wrong, name+" is no "+p.Type)
		case p.Enum != nil && !slices.Contains(p.Enum, text):
			wrong = append(wrong, name+" is "+text)
		case p.Format == "date-time" && !isTime(text):
			wrong = append(wrong, name+" is no time")
		}
	}
	return wrong
}

func isTime(text string) bool {
	_, err := time.Parse(time.RFC3339Nano, text)
	return err == nil
}
