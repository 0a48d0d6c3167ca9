// Package swarm runs hundreds of peers that share one file, in virtual time: the
// very decisions that run on laptops (packages pick and fair), joined by links of
// given rates instead of a network. It shows what a rule for serving does to
// those who give, to those who only take, and to the whole. One seed gives one
// run, bit for bit.
//
// Start reading at [Run] and [Config]. Beside it:
//
//   - node.go, fetch.go, serve.go: one peer, and what a session and a server do
//     around their cores
//   - link.go: how fast bytes go; vouch.go: who vouches for whom
//   - strategy.go: honest play, and how to deviate from it; rules.go: the rules
//     for serving that are compared
//   - result.go: what a run found, and the fluid bound
//
// Blocks have no bytes here, only lengths; nobody sends wrong ones, which is what
// the tests of package pick are about. The network has no loss: a message takes
// the two peers' delays, and bytes take what the links allow.
package swarm
