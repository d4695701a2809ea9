package klwctl

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/coreos/go-systemd/v22/journal"

	"klw/internal/audit"
)

// errNoJournal is what --journald gives where no journal listens.
var errNoJournal = errors.New("the systemd journal doesn't answer on /run/systemd/journal/socket: is systemd-journald running?")

// toJournal gives an event to the systemd journal: a message for people, and every field of the event by its name in
// capital letters behind KLW_ (KLW_CONTAINER, KLW_OPERATION …), the time as the guard took it among them.
func toJournal(e audit.Event) error {
	fields, err := journalFields(e)
	if err != nil {
		return err
	}
	fields["SYSLOG_IDENTIFIER"] = "klw"
	if err := journal.Send(untimed(e), priority(e), fields); err != nil {
		return fmt.Errorf("give an event to the journal: %w", err)
	}
	return nil
}

// journalFields gives the fields of an event as docs/events.schema.json names them.
func journalFields(e audit.Event) (map[string]string, error) {
	text, err := json.Marshal(e)
	if err != nil {
		return nil, err
	}
	var values map[string]any
	if err := json.Unmarshal(text, &values); err != nil {
		return nil, err
	}
	fields := map[string]string{}
	for name, value := range values {
		fields["KLW_"+strings.ToUpper(name)] = fmt.Sprint(value)
	}
	return fields, nil
}

// priority is how loud an event is in the journal.
func priority(e audit.Event) journal.Priority {
	switch e.Decision {
	case audit.Refused:
		return journal.PriWarning
	case audit.Lost:
		return journal.PriErr
	case audit.Notice:
		return journal.PriNotice
	}
	return journal.PriInfo
}
