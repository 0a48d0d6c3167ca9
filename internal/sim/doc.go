// Package sim runs thousands to a million overlay machines in virtual time: the
// very code that runs on laptops, joined by heaps of events instead of a network.
// One seed gives one run, bit for bit, on however many cores.
//
// Start reading at [World], which is the network: nodes that come, go, fall
// silent, are cut off or lie, and messages that take time and get lost. Beside
// it:
//
//   - settings.go: what a run is made of; overlay.go: what the simulator must
//     know of an overlay; kademlia.go and chord.go: the two there are
//   - node.go, exchange.go: one node, one request and its answer; lazy.go: how a
//     million nodes fit into memory; agenda: a heap of events
//   - shard.go: the parts of a network that can run at the same time, and the order of
//     events that makes it the same run; crew.go: the workers that run them
//   - directory.go: who stands where, and so who is responsible for a key
//   - latency.go, cities.go: how long messages take; byzantine.go: nodes that lie
//   - hops.go, churn.go, partition.go, soak.go: one experiment each, with a Config that says
//     what may be set and a Result that is written as JSON by the programs under
//     scripts/; soak_ring.go: what a soak of Chord is, by Zave's theorem,
//     and misfortune.go: what happens to it
//
// A World is used by one goroutine, which may have others help it
// (Settings.Workers). It reads no clock and no global source of randomness.
package sim
