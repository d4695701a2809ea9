package bundle

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"klw/internal/layout"
	"klw/internal/policy"
)

// PolicyName is the file in a bundle that holds its policy.
const PolicyName = "klw.policy"

// Annotations that klw knows. Any other of AnnotationPrefix is an error: a misspelt one must not mean "no policy".
const (
	AnnotationPrefix = "io.klw."
	AnnotationPolicy = "io.klw.policy"
)

func findPolicy(dir string, annotations map[string]string, root layout.Root) (*Policy, error) {
	if err := checkAnnotations(annotations); err != nil {
		return nil, err
	}
	own := filepath.Join(dir, PolicyName)
	_, err := os.Lstat(own)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("policy: %w", err)
	}
	hasOwn := err == nil
	name, named := annotations[AnnotationPolicy]
	switch {
	case hasOwn && named:
		return nil, fmt.Errorf("the bundle has a %s and the annotation %s names %q: an annotation can't replace a bundle's policy, remove one of the two", PolicyName, AnnotationPolicy, name)
	case hasOwn:
		return readPolicy(own, root)
	case named:
		return namedPolicy(name, root)
	}
	return nil, nil
}

func checkAnnotations(annotations map[string]string) error {
	var unknown []string
	for key := range annotations {
		if strings.HasPrefix(key, AnnotationPrefix) && key != AnnotationPolicy {
			unknown = append(unknown, key)
		}
	}
	slices.Sort(unknown)
	var m Mistakes
	for _, key := range unknown {
		m.add("annotations", "unknown annotation %q, expected %s", key, AnnotationPolicy)
	}
	if m != nil {
		return m
	}
	return nil
}

func namedPolicy(name string, root layout.Root) (*Policy, error) {
	if !isName(name) {
		return nil, fmt.Errorf("annotation %s: %q is not a policy's name, expected letters, digits, '_', '.' and '-' and no path", AnnotationPolicy, name)
	}
	p, err := readPolicy(root.PolicyFile(name), root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("annotation %s: there is no policy %q: %w", AnnotationPolicy, name, err)
	}
	return p, err
}

// isName says whether a policy may be called that: nothing that leads out of the folder of policies.
func isName(name string) bool {
	return name != "" && name[0] != '.' && name[0] != '-' && strings.Trim(name, nameChars) == ""
}

const nameChars = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-"

func readPolicy(file string, root layout.Root) (*Policy, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	p, texts, err := policy.Collect(file, text, os.DirFS(root.Policies()))
	if err != nil {
		return nil, err
	}
	return &Policy{Policy: p, Texts: texts}, nil
}
