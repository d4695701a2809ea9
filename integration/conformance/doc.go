// Package conformance compares a view under a policy that allows everything with the file system that it shows: random
// system calls, done on both, must give the same results, errno included, and leave the same behind.
//
// # How
//
// A seed makes a list of steps (steps_test.go): system calls by several users on a small tree, on few names and few
// descriptors, so that they meet. A worker, which is the test's binary started again with the tree as its root directory,
// does them (worker_test.go), each on a thread with the credentials of the step's user (identity_test.go). Two workers
// do the same list, one on the native file system, one on a view of a folder of the same file system. Results are text
// (calls_*_test.go). From time to time a step describes everything that can be seen (snapshot_test.go); at the end the
// folder behind the view is described too.
//
// A difference is shrunk to the fewest steps that show it. It is ours to fix unless it stands in differences_test.go,
// with the reason; docs/file-operations.md has the same list.
//
// # Scenes
//
// What random steps don't come by is played in scenes written by hand (scenes_*_test.go): the same courses of system calls
// natively and in each kind of view, told line by line. A line that differs must be one of the scene's differences, which
// name the row of docs/file-operations.md that says so; TestReference wants every row of it proven.
//
// # More of it
//
// TestPosix runs go-fuse's conformance suite over native and views. KLW_SOAK=10m goes on with new seeds for that long; -seed=N -steps=N repeats one list on every file system.
package conformance
