package seccomp

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"

	"golang.org/x/sys/unix"
)

// wire is a Program as JSON: the instructions as the kernel lays them out, in base64. Every start of a container pays
// for this way twice; as objects the instructions took longer than compiling them.
type wire struct {
	Filter []byte `json:"filter"`
	Flags  uint   `json:"flags,omitempty"`
}

const instructionSize = 8

// MarshalJSON writes the program for UnmarshalJSON.
func (p Program) MarshalJSON() ([]byte, error) {
	text := make([]byte, 0, 64+base64.StdEncoding.EncodedLen(len(p.Filter)*instructionSize))
	raw := make([]byte, 0, len(p.Filter)*instructionSize)
	for _, ins := range p.Filter {
		raw = binary.LittleEndian.AppendUint16(raw, ins.Code)
		raw = append(raw, ins.Jt, ins.Jf)
		raw = binary.LittleEndian.AppendUint32(raw, ins.K)
	}
	text = append(text, `{"filter":"`...)
	text = base64.StdEncoding.AppendEncode(text, raw)
	return fmt.Appendf(text, `","flags":%d}`, p.Flags), nil
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (p *Program) UnmarshalJSON(text []byte) error {
	var w wire
	if err := json.Unmarshal(text, &w); err != nil {
		return fmt.Errorf("read seccomp filter: %w", err)
	}
	if len(w.Filter)%instructionSize != 0 {
		return fmt.Errorf("read seccomp filter: %d bytes are no whole instructions", len(w.Filter))
	}
	*p = Program{Flags: w.Flags}
	for b := w.Filter; len(b) > 0; b = b[instructionSize:] {
		p.Filter = append(p.Filter, unix.SockFilter{Code: binary.LittleEndian.Uint16(b), Jt: b[2], Jf: b[3],
			K: binary.LittleEndian.Uint32(b[4:])})
	}
	return nil
}
