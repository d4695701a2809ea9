package policy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"path/filepath"
)

// Texts are a policy as it is written: the file itself and all that it names of the administrator's folder. A
// container's is kept in one file, so that whoever reads it has one policy and never parts of two.
type Texts struct {
	File     string            `json:"file"` // where it was read; by its last part events name the policy's own rules
	Text     string            `json:"text"`
	Included map[string]string `json:"included,omitempty"` // by file name
}

// Name is how positions name the policy's own file.
func (t Texts) Name() string { return filepath.Base(t.File) }

// Parse reads the policy again, from nothing but the texts.
func (t Texts) Parse() (*Policy, error) { return ParseWith(t.Name(), []byte(t.Text), t.resolve) }

// ParseAs is Parse with another name for the policy's own file in positions.
func (t Texts) ParseAs(name string) (*Policy, error) {
	return ParseWith(name, []byte(t.Text), t.resolve)
}

func (t Texts) resolve(name string) (string, []byte, error) {
	file := name + ".policy"
	text, ok := t.Included[file]
	if !ok {
		return file, nil, fmt.Errorf("no %s there", file)
	}
	return file, []byte(text), nil
}

// Encode gives the form in which texts are kept.
func (t Texts) Encode() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	err := e.Encode(t)
	return b.Bytes(), err
}

// DecodeTexts reads what Encode gave.
func DecodeTexts(kept []byte) (t Texts, err error) {
	err = json.Unmarshal(kept, &t)
	return t, err
}

// Collect parses a policy and gives it with its texts. The texts are whole only where there is no error.
func Collect(file string, text []byte, folder fs.FS) (*Policy, Texts, error) {
	t := Texts{File: file, Text: string(text), Included: map[string]string{}}
	find := FolderResolver(folder)
	p, err := ParseWith(file, text, func(name string) (string, []byte, error) {
		file, src, err := find(name)
		if err == nil {
			t.Included[file] = string(src)
		}
		return file, src, err
	})
	return p, t, err
}
