// Package api lets one process use the node of another on the same machine: the
// daemon's local control API. [Server] serves a [node.Service] from the process
// that holds the repo; [Client] is the same Service in every other process of
// the same user. Start at [Listen] and [Dial]; the calls themselves are the
// table in routes.go.
//
// # On the wire
//
// The API is HTTP/1.1 on a unix socket in the repo, which only the user may
// open. Where no unix socket can be made it listens at 127.0.0.1 and asks for a
// token that stands in a file which only the user may read. Every call is
//
//	POST /v1/NAME
//	Ringswap-Api: 1
//	Content-Type: application/json
//
// with the request as the body, one JSON value of at most 1 MiB. A browser
// cannot make such a request for a page of another origin, and whatever bears
// an Origin or a foreign Host is refused, so neither a web page nor a rebound
// DNS name reaches the node.
//
// The answer is a stream of frames, one JSON object a line, each with exactly
// one member:
//
//	{"beat":true}         nothing new, but still there (every few seconds)
//	{"progress":{...}}    how far it has come
//	{"item":...}          one element of an enumeration
//	{"result":...}        the end: it worked
//	{"error":{...}}       the end: it failed, and why
//
// An answer that ends before a result or an error has failed: the process at
// the other end died. One that is silent for several beats counts as dead.
// A client that goes away cancels its call.
//
// The call "cat" answers with bytes instead: blocks of one byte of kind, four
// of big-endian length and the payload, ended by an empty block of kind 'z' or
// by an 'e' that holds the error as JSON, so that a file that was cut off is
// never taken for a whole one.
package api
