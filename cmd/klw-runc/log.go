package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"
)

// log is where errors and warnings go: lines of JSON as engines read them from a file, or text.
var log struct {
	file *os.File // nil: standard error
	json bool
}

func openLog(path, format string) error {
	switch format {
	case "text", "json":
	default:
		return fmt.Errorf("--log-format %q, expected text or json", format)
	}
	log.json = format == "json"
	if path == "" {
		return nil
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return fmt.Errorf("--log: %w", err)
	}
	log.file = f
	return nil
}

// logError tells an error to the log, and to standard error too if the log is elsewhere.
func logError(err error) {
	text := err.Error()
	logLine("error", text)
	if log.file != nil {
		fmt.Fprintln(os.Stderr, text)
	}
}

func logWarning(text string) { logLine("warning", text) }

func logLine(level, text string) {
	out := log.file
	if out == nil {
		out = os.Stderr
	}
	now := time.Now().Format(time.RFC3339)
	if log.json {
		line, _ := json.Marshal(struct {
			Level string `json:"level"`
			Msg   string `json:"msg"`
			Time  string `json:"time"`
		}{level, text, now})
		fmt.Fprintf(out, "%s\n", line)
		return
	}
	if log.file != nil {
		fmt.Fprintf(out, "time=%q level=%s msg=%q\n", now, level, text)
		return
	}
	prefix := "klw-runc: "
	if level != "error" {
		prefix += level + ": "
	}
	fmt.Fprintln(out, prefix+strings.ReplaceAll(text, "\n", "\n"+prefix))
}
