package klwctl

import (
	"context"

	"klw/internal/audit"
)

// follow prints events as they come, until the context ends or printing fails. It reads the logs, not the guards: a
// container that lives for a moment is seen too.
func follow(ctx context.Context, q query) error {
	return coded(audit.Tail(ctx, q.root.Events(), q.id, q.since, q.print))
}
