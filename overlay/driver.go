package overlay

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
)

// DriverConfig is what a [Driver] needs. The first three fields are required.
type DriverConfig struct {
	Machine   Machine
	Codec     Codec
	Transport Transport

	// OnChanged is called from the driver's loop on every Changed effect and must
	// not block. nil: nobody is told.
	OnChanged func()
	// MaxInbound bounds the requests of other nodes that are being answered at
	// the same time; more are refused. 0 means 256.
	MaxInbound int
	// LeaveTimeout bounds the good-byes when Run ends. 0 means one second.
	LeaveTimeout time.Duration
}

// Validate reports the first field that cannot be used.
func (c DriverConfig) Validate() error {
	switch {
	case c.Machine == nil, c.Codec == nil, c.Transport == nil:
		return errors.New("overlay: a driver needs a machine, its codec and a transport")
	case c.MaxInbound < 0:
		return fmt.Errorf("overlay: MaxInbound is %d, must not be negative", c.MaxInbound)
	case c.LeaveTimeout < 0:
		return fmt.Errorf("overlay: LeaveTimeout is %v, must not be negative", c.LeaveTimeout)
	}
	return nil
}

// Driver runs one Machine over a Transport with the real clock. It is the only
// place where an overlay meets goroutines: one loop owns the machine, every
// request in flight has a goroutine of its own, and Run waits for all of them.
// It implements [Overlay]; its methods may be called from anywhere, also before
// Run, in which case they wait for it.
type Driver struct {
	cfg     DriverConfig
	inbox   chan func(*loop)
	slots   chan struct{} // one for each inbound request being answered
	stopped chan struct{} // closed when Run returns
	once    sync.Once
}

var _ Overlay = (*Driver)(nil)

// NewDriver makes a driver and registers its handler with the transport.
func NewDriver(cfg DriverConfig) (*Driver, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.MaxInbound == 0 {
		cfg.MaxInbound = 256
	}
	if cfg.LeaveTimeout == 0 {
		cfg.LeaveTimeout = time.Second
	}
	d := &Driver{
		cfg:     cfg,
		inbox:   make(chan func(*loop)),
		slots:   make(chan struct{}, cfg.MaxInbound),
		stopped: make(chan struct{}),
	}
	cfg.Transport.Serve(d.serve)
	return d, nil
}

// Run drives the machine until ctx ends, lets it say good-bye, and returns nil.
// It can be called once.
func (d *Driver) Run(ctx context.Context) error {
	started := false
	d.once.Do(func() { started = true })
	if !started {
		return errors.New("overlay: Run called twice")
	}
	defer close(d.stopped)
	return newLoop(d).run(ctx)
}

// post hands f to the loop. It fails with ErrClosed after Run, or with ctx.
func (d *Driver) post(ctx context.Context, f func(*loop)) error {
	select {
	case d.inbox <- f:
		return nil
	case <-d.stopped:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Notify gives the machine an event that needs no answer: Join, Seen, Gone or
// SelfChanged.
func (d *Driver) Notify(ctx context.Context, ev Event) error {
	return d.post(ctx, func(l *loop) { l.step(ev) })
}

// Inspect calls f with the machine from the loop, between two steps, and waits
// for it: the only safe way to read a running machine's state. f must be quick
// and keep nothing that the machine may change.
func (d *Driver) Inspect(ctx context.Context, f func(Machine)) error {
	done := make(chan struct{})
	err := d.post(ctx, func(*loop) { defer close(done); f(d.cfg.Machine) })
	if err != nil {
		return err
	}
	<-done // the loop has taken f and always finishes it
	return nil
}

// Closest implements [Overlay].
func (d *Driver) Closest(ctx context.Context, key Key, n int) (Path, error) {
	res, err := d.do(ctx, FindClosest{Key: key, N: n})
	return res.Path, err
}

// Provide implements [Overlay].
func (d *Driver) Provide(ctx context.Context, c cid.Cid) (int, error) {
	res, err := d.do(ctx, Provide{Key: ContentKey(c)})
	return res.Stored, err
}

// Unprovide implements [Overlay].
func (d *Driver) Unprovide(ctx context.Context, c cid.Cid) error {
	_, err := d.do(ctx, StopProviding{Key: ContentKey(c)})
	return err
}

// PutValue stores a record at the responsible nodes of key and returns how many
// took it.
func (d *Driver) PutValue(ctx context.Context, key Key, value []byte) (int, error) {
	res, err := d.do(ctx, PutValue{Key: key, Value: value})
	return res.Stored, err
}

// GetValue finds the best record of key.
func (d *Driver) GetValue(ctx context.Context, key Key) ([]byte, error) {
	res, err := d.do(ctx, GetValue{Key: key})
	return res.Value, err
}

// Providers implements [Overlay].
func (d *Driver) Providers(ctx context.Context, c cid.Cid) iter.Seq2[peer.AddrInfo, error] {
	return func(yield func(peer.AddrInfo, error) bool) {
		op, err := d.start(ctx, FindProviders{Key: ContentKey(c)})
		if err != nil {
			yield(peer.AddrInfo{}, err)
			return
		}
		defer op.cancel()
		for {
			for _, p := range op.take() {
				if !yield(p.AddrInfo(), nil) {
					return
				}
			}
			select {
			case <-op.found:
			case <-ctx.Done():
				yield(peer.AddrInfo{}, ctx.Err())
				return
			case <-op.done:
				for _, p := range op.take() {
					if !yield(p.AddrInfo(), nil) {
						return
					}
				}
				if op.result.Err != nil {
					yield(peer.AddrInfo{}, op.result.Err)
				}
				return
			}
		}
	}
}

// do runs a query to its end. When ctx ends first the operation is cancelled
// and what it had found so far comes back with ctx's error.
func (d *Driver) do(ctx context.Context, q Query) (Result, error) {
	op, err := d.start(ctx, q)
	if err != nil {
		return Result{}, err
	}
	select {
	case <-op.done:
	case <-ctx.Done():
		op.cancel()
		<-op.done
		if errors.Is(op.result.Err, ErrCanceled) {
			return op.result.Result, ctx.Err()
		}
	}
	return op.result.Result, op.result.Err
}

// operation is a running Start, shared by its caller and the loop.
type operation struct {
	driver *Driver
	id     OpID
	done   chan struct{} // closed by the loop after result is set
	result Done
	found  chan struct{} // has room for one: there is something to take

	mu    sync.Mutex
	queue []Contact
}

func (d *Driver) start(ctx context.Context, q Query) (*operation, error) {
	op := &operation{driver: d, done: make(chan struct{}), found: make(chan struct{}, 1)}
	err := d.post(ctx, func(l *loop) {
		l.lastOp++
		op.id = l.lastOp
		l.ops[op.id] = op
		l.step(Start{Op: op.id, Query: q})
	})
	return op, err
}

// cancel ends the operation if it still runs. It does not wait for its end.
func (op *operation) cancel() {
	select {
	case <-op.done:
	default:
		// The loop takes this or has stopped; both end the operation.
		_ = op.driver.post(context.Background(), func(l *loop) {
			if l.ops[op.id] != nil {
				l.step(Cancel{Op: op.id})
			}
		})
	}
}

func (op *operation) put(c Contact) {
	op.mu.Lock()
	op.queue = append(op.queue, c)
	op.mu.Unlock()
	select {
	case op.found <- struct{}{}:
	default: // the reader is already due to look
	}
}

func (op *operation) take() []Contact {
	op.mu.Lock()
	defer op.mu.Unlock()
	q := op.queue
	op.queue = nil
	return q
}

// serve is the transport's handler: it decodes a request, lets the loop step
// the machine, and encodes the reply.
func (d *Driver) serve(ctx context.Context, in Request) ([]byte, error) {
	select {
	case d.slots <- struct{}{}:
		defer func() { <-d.slots }()
	default:
		return nil, fmt.Errorf("%w: %d requests are being answered", ErrRefused, d.cfg.MaxInbound)
	}
	msg, err := d.cfg.Codec.Decode(in.Msg)
	if err != nil {
		return nil, err
	}
	replies := make(chan Reply, 1)
	from := in.From // of its own: the machine may keep it, and not the rest of the request
	err = d.post(ctx, func(l *loop) {
		l.lastInbound++
		l.inbound[l.lastInbound] = replies
		l.step(Inbound{Req: l.lastInbound, From: &from, Remote: in.Remote, Server: in.Server, Msg: msg})
	})
	if err != nil {
		return nil, err
	}
	select {
	case r := <-replies:
		if r.Err != nil || r.Msg == nil {
			return nil, r.Err
		}
		return d.cfg.Codec.Encode(r.Msg)
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-d.stopped:
		return nil, ErrClosed
	}
}
