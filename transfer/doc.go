// Package transfer shares and gets files: it joins the DAG (package dag) with
// the disk, and asks a [Fetcher] for what is missing. It knows neither network
// nor store; both are behind small interfaces that it declares.
//
// [Share] hashes paths in place. [Get] fetches a DAG into a [Target]: a part
// file or folder beside its final place, into which verified chunks are written
// at once, by several goroutines, and from which they can be served before the
// rest is there. What was written survives Ctrl-C, kill -9 and power loss in
// the order that state.go describes. [Cat] writes a range of a file in order.
//
// Names, links and sizes in a DAG come from strangers. Nothing is ever written
// outside the target, no other file is replaced without being asked to, and
// what cannot be kept safely on this system is refused before any of it is
// fetched (names.go).
//
// Start reading at [Get], then [Target].
package transfer
