// Package nat is about being reachable: it switches on what makes a node behind
// a router reachable (port mapping, AutoNAT, relays, hole punching) and says, in
// plain words, what came of it.
//
// Start reading at [Judge], a pure function from what was observed to a
// [Verdict]; [Watch] collects the observations from a running host, and
// [Config] holds the switches.
package nat
