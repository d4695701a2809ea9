package runtime

import (
	"path"

	"klw/bundle"
	"klw/internal/policy"
)

// hidesQueues tells whether a rule of the policy takes the message queues away. Its bundle is as it was read: a queue is
// found by mq_open, which passes the mount by, so the filter has to refuse that.
func hidesQueues(b *bundle.Bundle) bool {
	sets := []policy.RuleSet{b.Policy.RuleSet}
	for _, l := range b.Policy.Stack {
		sets = append(sets, l.RuleSet)
	}
	for _, m := range b.Spec.Mounts {
		for _, set := range sets {
			for _, r := range set.General.Files {
				if m.Type == "mqueue" && r.Perm == policy.None && r.Path == path.Clean(m.Destination) {
					return true
				}
			}
		}
	}
	return false
}
