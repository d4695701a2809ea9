package journal

import (
	"encoding/binary"
	"errors"
)

// Xattr is an extended attribute.
type Xattr struct {
	Name  string
	Value []byte
}

// EncodeXattrs packs attributes for the Data of a record that makes an object.
func EncodeXattrs(list []Xattr) []byte {
	var b []byte
	for _, x := range list {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(x.Name)))
		b = binary.LittleEndian.AppendUint32(b, uint32(len(x.Value)))
		b = append(append(b, x.Name...), x.Value...)
	}
	return b
}

// DecodeXattrs unpacks them. The values refer to b.
func DecodeXattrs(b []byte) ([]Xattr, error) {
	var list []Xattr
	for len(b) > 0 {
		if len(b) < 8 {
			return nil, errXattrs
		}
		n, v := int(binary.LittleEndian.Uint32(b)), int(binary.LittleEndian.Uint32(b[4:]))
		b = b[8:]
		if n < 0 || v < 0 || n+v > len(b) {
			return nil, errXattrs
		}
		list = append(list, Xattr{string(b[:n]), b[n : n+v]})
		b = b[n+v:]
	}
	return list, nil
}

var errXattrs = errors.New("the extended attributes of a record can't be read")
