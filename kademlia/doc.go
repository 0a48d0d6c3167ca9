// Package kademlia is the Kademlia overlay (Maymounkov & Mazières 2002) as a
// pure machine: it takes the time and an [overlay.Event] and returns
// [overlay.Effect] values, and does nothing else. It speaks the messages of the
// public protocol /ipfs/kad/1.0.0, so that a node may also live among nodes of
// another make.
//
// Start reading at [Machine] (machine.go), which only hands each event to the
// part that minds it:
//
//   - table.go, bucket.go: whom we know, and who must make room for whom;
//     diversity.go: how many of them may share an address block
//   - lookup.go, disjoint.go: the iterative search; every operation is one
//   - operations.go, provide.go, search.go, values.go: what the searches are for;
//     overlay/operation and overlay/publish have what is the same in every overlay
//   - serve.go: what other nodes are told; overlay/scope says which addresses
//     they get, overlay/limit how much they may ask
//   - store.go: the values kept for others, where they belong; the tables of
//     records are in overlay/record
//   - join.go, survey.go, refresh.go, upkeep.go, check.go: getting in and staying
//     current; outbox.go: at which pace
//   - message.go, codec.go, decode.go: the wire format
//
// A machine has a deadline (overlay/alarm), counts what it sent (requests.go), and
// shows itself in view.go; snapshot.go is what outlives it. [Machine.CheckInvariants] says what always holds.
package kademlia
