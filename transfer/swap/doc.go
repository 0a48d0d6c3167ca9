// Package swap moves the blocks of one DAG between peers: a server that gives
// ranges of blocks to whoever asks, and a session that collects blocks from
// many peers at once and lets nothing through that does not match its CID.
//
// The format is docs/wire.md, section Swap, and package wire. Decisions are
// pure: package pick (which range from which peer, who stalls, who lies) and
// package fair (who is served next, who gave what) know no clock, socket or
// lock; the server and the session are the shell around them.
//
// Start reading at [Session] for fetching, at [Server] for serving, and at
// package pick for how a swarm is used.
package swap
