package link

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
)

const (
	tablePrefix = "klw_"
	vethPrefix  = "klw"
)

// plainID is an id that can be part of a table's name as nft writes it. The names of hashed ids have a length that no
// plain one has.
var plainID = regexp.MustCompile(`^[A-Za-z0-9_]{1,39}$`)

// Names gives the names of the table and of the host's interface that Setup makes for a container. They are functions of
// the id, so that they can be written down before anything is made.
func Names(id string) (table, veth string) {
	sum := sha256.Sum256([]byte(id))
	h := hex.EncodeToString(sum[:])
	veth = vethPrefix + h[:15-len(vethPrefix)]
	if plainID.MatchString(id) {
		return tablePrefix + id, veth
	}
	return tablePrefix + h[:40], veth
}
