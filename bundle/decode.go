package bundle

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// decode reads the JSON. What the specification doesn't know it tells us to ignore, so unknown names pass.
func decode(text []byte) (*specs.Spec, error) {
	spec := new(specs.Spec)
	d := json.NewDecoder(bytes.NewReader(text))
	if err := d.Decode(spec); err != nil {
		return nil, jsonError(text, err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("%s: something follows the end of the JSON object", place(text, d.InputOffset()))
	}
	return spec, nil
}

func jsonError(text []byte, err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Errorf("%s: %w", place(text, syntax.Offset), err)
	case errors.As(err, &kind):
		return fmt.Errorf("%s: %s is a %s, expected %s", place(text, kind.Offset), kind.Field, kind.Value, kindName(kind.Type))
	case errors.Is(err, io.EOF):
		return fmt.Errorf("%s:1:1: the file is empty", ConfigName)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%s: the file ends in the middle of the JSON object", place(text, int64(len(text))))
	}
	return fmt.Errorf("%s: %w", ConfigName, err)
}

// kindName says in JSON's words what Go's type holds.
func kindName(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Struct, reflect.Map:
		return "an object"
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	}
	return "a number that fits " + t.String()
}

// place turns the number of bytes read into file:line:column of the last of them.
func place(text []byte, offset int64) string {
	if offset > int64(len(text)) {
		offset = int64(len(text))
	}
	if offset < 1 {
		offset = 1
	}
	before := text[:offset-1]
	line := 1 + bytes.Count(before, []byte("\n"))
	col := len(before) - bytes.LastIndexByte(before, '\n')
	return fmt.Sprintf("%s:%d:%d", ConfigName, line, col)
}
