// Package chord is the Chord overlay as a pure machine: it takes the time and an
// [overlay.Event] and returns [overlay.Effect] values, and does nothing else.
//
// Nodes and keys are points on a ring of 2^256 places. A node keeps its
// predecessor, a list of its next successors, and contacts farther on; a key
// belongs to its successor, the first node at or after it, and to the next ones
// (Stoica et al., "Chord: a scalable peer-to-peer lookup protocol for Internet
// applications", IEEE/ACM ToN 2003; ToN below). The rules by which nodes come,
// go and mend the ring are not the published ones, which lose nodes, but those
// that Zave proved correct ("Reasoning about identifier spaces: how to make Chord
// correct", IEEE TSE 2017; Zave below).
//
// Start reading at [Machine] (machine.go), which only hands each event to the
// part that minds it:
//
//   - ring.go, stabilize.go, join.go: this node's place in the ring; tempo.go: how
//     often it is looked after
//   - merge.go: how two rings become one; memory.go: nodes that fell silent, which
//     are a way to that
//   - index.go: all contacts in one order; fingers.go: those across the ring;
//     mortality.go: how soon they die, and so how far they are trusted
//   - lookup.go, candidate.go, guess.go, outcome.go: the search; operations.go: what
//     it is for
//   - recursive.go, forward.go: the search as others make it, for this node and by it
//   - serve.go: what other nodes are told; errors.go: why they are refused
//   - records.go: what is kept for others; provide.go, values.go: storing it
//     (deliver.go) and finding it (search.go); handover.go: keeping it where it
//     belongs while nodes come and go; overlay/operation, overlay/publish and
//     overlay/record have what is the same in every overlay
//   - message.go, codec.go, decode.go: what travels
//   - view.go: a picture of the machine; zave.go: what must hold of all together,
//     zave_monitor.go: the same after every event of a run, at a cost that depends on
//     what it changed, zave_verdict.go: what follows from that, and zave_assume.go:
//     which failures may happen
//
// The cache costs no traffic of its own: it learns from what is asked anyway, by
// this node and of it, and forgets whoever does not answer.
//
// # Small rings
//
// Zave's proof begins with r+1 nodes that know each other, r being the length of
// the successor lists: from there on, as long as no node loses all of its list
// between two repairs, there is always one ring, and it becomes ideal when
// nothing more happens. This package also has to live with one node, and two.
// A list never goes around the ring: it stops short of the node that keeps it,
// so with n <= r nodes it has n-1 entries, which are all others. What that
// guarantees: as long as each node has at least one entry that lives, the ring
// mends itself as a larger one does; with everybody on every list this fails only
// if all others die within one repair. What it does not: two nodes that join a
// third at the same moment may each know only that third one, which Zave's base
// of r+1 nodes rules out; should it die before its next stabilization, they are
// apart. Then, as after a partition, the nodes that a machine remembers (memory.go)
// are the way back, and that is a matter of time, not of proof.
package chord
