// Package swaptest is what tests of the swap protocol share: content, a source
// in memory, hosts on loopback, peers that break the protocol in every way that
// docs/wire.md forbids, and two suites that any implementation of it passes:
// [Server] and [Client].
//
// Start reading at the suites; package swap's own tests show how they are used.
package swaptest
