// Package overlay is what a structured peer-to-peer overlay is made of, without
// saying which: one keyspace ([ID]), nodes in it ([Contact]), the contract of a
// protocol core ([Machine]) and the one engine that runs any such core over a
// network ([Driver]).
//
// A Machine is a pure state machine: it takes the time and an [Event] and
// returns [Effect] values. It has no goroutine, lock, clock, socket, global
// random source or logger. The Driver performs the effects over a [Transport];
// a simulator performs them over an event heap. So the code that runs on
// laptops is the code that is tested in virtual time.
//
// Start reading at [Machine]; package kademlia is one. The conformance suite
// that every machine passes is in overlaytest.
package overlay
