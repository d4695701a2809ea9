// Command leftovers lists what containers, guards and their tests make on a machine (package list). Two listings, before
// and after, must be the same.
package main

import (
	"fmt"
	"log"
	"strings"

	"klw/integration/leftovers/list"
)

func main() {
	log.SetFlags(0)
	lines, err := list.Machine()
	if err != nil {
		log.Fatalf("leftovers: %v", err)
	}
	fmt.Println(strings.Join(lines, "\n"))
}
