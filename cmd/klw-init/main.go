// Command klw-init is the first process of a container until it executes the application; klw-runc starts it, nobody
// types it. What it does is package initproc's.
package main

import "klw/runtime/initproc"

func main() { initproc.Main() }
