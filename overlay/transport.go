package overlay

import (
	"context"
	"iter"

	ma "github.com/multiformats/go-multiaddr"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
)

// Transport carries a machine's encoded messages between nodes. Package
// internal/p2p implements it over libp2p streams, overlaytest in memory.
type Transport interface {
	// Call sends msg and waits for the answer or the end of ctx. It returns
	// ErrRefused if the other side refused. The answer belongs to the caller.
	Call(ctx context.Context, to Contact, msg []byte) ([]byte, error)
	// Send delivers msg without an answer; nil means handed to the network.
	Send(ctx context.Context, to Contact, msg []byte) error
	// Serve sets the handler of inbound messages. It is called once, before the
	// first message is wanted; the handler is called concurrently.
	Serve(h Handler)
}

// Handler answers one inbound message. A nil reply without an error means that
// nothing is to be sent back; an error ends the exchange without saying why.
type Handler func(ctx context.Context, in Request) (reply []byte, err error)

// Request is an inbound message as a Transport hands it over. See [Inbound] for
// the fields' meaning. Msg belongs to the handler until it returns.
type Request struct {
	From   Contact
	Remote ma.Multiaddr
	Server bool
	Msg    []byte
}

// Overlay is what the rest of the house sees of a structured overlay. [Driver]
// is the only implementation that ships.
type Overlay interface {
	// Closest finds the n responsible nodes of key, nearest first; n = 0 means
	// the overlay's own number of copies.
	Closest(ctx context.Context, key Key, n int) (Path, error)
	// Provide announces c at its responsible nodes, and goes on doing so until
	// Unprovide or the end of Run. It returns how many nodes took the record.
	Provide(ctx context.Context, c cid.Cid) (stored int, err error)
	// Unprovide ends the announcements of c; records at other nodes expire.
	Unprovide(ctx context.Context, c cid.Cid) error
	// Providers yields nodes that announced c as they are found, each once. The
	// search ends with the loop, with ctx, or when everyone responsible has been
	// asked. An error is yielded last, with a zero AddrInfo.
	Providers(ctx context.Context, c cid.Cid) iter.Seq2[peer.AddrInfo, error]
	// Run drives the overlay until ctx ends and returns nil then. It owns every
	// goroutine it starts.
	Run(ctx context.Context) error
}
