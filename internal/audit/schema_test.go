package audit

import (
	"encoding/json"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"klw/hooks"
)

// The schema in docs and the struct say the same.
func TestSchemaDescribesEvent(t *testing.T) {
	text, err := os.ReadFile("../../docs/events.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var schema struct {
		Properties map[string]struct {
			Type        string
			Description string
			Enum        []string
		}
		Required             []string
		AdditionalProperties *bool
	}
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	if schema.AdditionalProperties == nil || *schema.AdditionalProperties {
		t.Error("the schema lets unknown fields pass")
	}
	event := reflect.TypeFor[Event]()
	for i := range event.NumField() {
		name, option, _ := strings.Cut(event.Field(i).Tag.Get("json"), ",")
		p, ok := schema.Properties[name]
		if !ok || p.Description == "" {
			t.Errorf("field %s isn't described", name)
		}
		want := "string"
		if event.Field(i).Type.Kind() == reflect.Uint32 || event.Field(i).Type.Kind() == reflect.Uint64 ||
			event.Field(i).Type == reflect.TypeFor[OptionalID]() {
			want = "integer"
		}
		if p.Type != want {
			t.Errorf("field %s is %q in the schema, want %q", name, p.Type, want)
		}
		if required := slices.Contains(schema.Required, name); required == (option == "omitempty" || option == "omitzero") {
			t.Errorf("field %s: required is %v", name, required)
		}
		delete(schema.Properties, name)
		if name == "operation" {
			checkEnum(t, p.Enum, append(operationNames(), OpStart, OpStop, OpLoad, OpUnload, OpRevoke, OpLearn, OpEnforce, OpEvents))
		}
		if name == "decision" {
			checkEnum(t, p.Enum, []string{Refused, Audit, Notice, Lost})
		}
	}
	for name := range schema.Properties {
		t.Errorf("the schema describes %s, which no event has", name)
	}
}

func operationNames() (names []string) {
	for _, o := range hooks.Operations() {
		names = append(names, o.String())
	}
	return names
}

func checkEnum(t *testing.T, got, want []string) {
	t.Helper()
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("enum is %v, want %v", got, want)
	}
}
