// Package pick decides, for one session of the swap protocol, which range of
// which block is asked from which peer, who is too slow, and who lied. It is
// pure: it has no clock, lock, goroutine or buffer, draws only from the source
// it was given, and is stepped by one owner, who tells it what happened and
// performs the actions that [Picker.Next] returns. So a session on a laptop and
// a swarm in virtual time run the same decisions.
//
// A block is active from its first request until it is settled: verified and
// handed over, or given up. Active blocks are what costs memory, so their sum
// is bounded; a block's bytes are cut into segments that come from whoever has
// them, and a segment whose peer goes away keeps what has come.
//
// The owner
//
//   - adds work with [Picker.AddJob] and peers with [Picker.AddPeer], and says
//     what the peers have with [Picker.SetState] and [Picker.AddHave];
//   - reports what comes with [Picker.Received], [Picker.Finished] and
//     [Picker.Refused];
//   - verifies each block that Finished says is full, and answers with
//     [Picker.Settled] or [Picker.Failed];
//   - calls Next after each of these, and again at [Picker.Deadline].
//
// Start reading at [Picker.Next]; choose.go is how a range is chosen, peer.go
// what is known of a peer, wait.go what is done while one lets this one
// wait, trial.go how liars are found, events.go what follows from what happened.
package pick
