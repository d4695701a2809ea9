package audit

import (
	"encoding/json"
	"strconv"
)

// OptionalID is an id or none. It is comparable, unlike a pointer: equal events fold.
type OptionalID struct {
	ID    uint32
	Known bool
}

// MarshalJSON gives the number, or null for none.
func (o OptionalID) MarshalJSON() ([]byte, error) {
	if !o.Known {
		return []byte("null"), nil
	}
	return strconv.AppendUint(nil, uint64(o.ID), 10), nil
}

// UnmarshalJSON takes what MarshalJSON gives.
func (o *OptionalID) UnmarshalJSON(text []byte) error {
	var id *uint32
	if err := json.Unmarshal(text, &id); err != nil {
		return err
	}
	*o = OptionalID{}
	if id != nil {
		*o = OptionalID{ID: *id, Known: true}
	}
	return nil
}
