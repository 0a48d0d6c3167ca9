// Package members decides which nodes of one swarm are told of which others,
// and which of those that others named are worth a try. It is pure: the owner
// gives it the time and a source of randomness, does the connecting, and says
// what came of it.
//
// What a node says of others is a hint of a stranger. So nobody is passed on who
// was not met here, under an address where it was met; whoever is named is tried
// before it counts; whoever names nodes that do not exist is no longer listened
// to; and however many names come, a net and a namer make this node try only a
// few, so that a swarm cannot be turned against a third party.
//
// Two members are often told of each other at the same moment. If both then dial at
// once, from the ports at which they listen, TCP makes one connection of the two on
// which both take the other for the server, and both fail: for as long as a
// signal takes from one to the other they must not. So the one with the higher peer
// ID lets the other go first, and whoever is not reached is tried again, by the one
// with the lower peer ID first.
//
// Start reading at [Members].
package members
