package overlay

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// minTick is the least time between two ticks, so that a machine whose deadline
// stays in the past cannot keep a core busy.
const minTick = time.Millisecond

// loop is the part of a Driver that only the goroutine of Run touches.
type loop struct {
	*Driver
	ops         map[OpID]*operation
	lastOp      OpID
	inbound     map[ReqID]chan<- Reply
	lastInbound ReqID

	// calls is the parent of every request in flight: it outlives Run's context
	// by the time that good-byes may take.
	calls      context.Context
	flight     sync.WaitGroup
	lastTick   time.Time
	goodbyes   int // requests that were sent by the Leave step and are unanswered
	leaving    bool
	inFarewell map[ReqID]bool
}

func newLoop(d *Driver) *loop {
	return &loop{
		Driver:  d,
		ops:     make(map[OpID]*operation),
		inbound: make(map[ReqID]chan<- Reply),
	}
}

func (l *loop) run(ctx context.Context) error {
	calls, cancel := context.WithCancel(context.WithoutCancel(ctx))
	l.calls = calls
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		l.arm(timer)
		select {
		case f := <-l.inbox:
			f(l)
		case <-timer.C:
			l.lastTick = time.Now()
			l.step(Tick{})
		case <-ctx.Done():
		}
	}
	l.farewell()
	cancel()
	// Answers of cancelled calls may still be on their way to the inbox.
	drained := make(chan struct{})
	go func() { l.flight.Wait(); close(drained) }()
	for {
		select {
		case f := <-l.inbox:
			f(l)
		case <-drained:
			l.failRest()
			return nil
		}
	}
}

// arm sets the timer to the machine's deadline, or to stillness.
func (l *loop) arm(timer *time.Timer) {
	at := l.cfg.Machine.Deadline()
	if at.IsZero() {
		timer.Stop()
		return
	}
	if earliest := l.lastTick.Add(minTick); at.Before(earliest) {
		at = earliest
	}
	timer.Reset(time.Until(at))
}

// farewell lets the machine leave and waits, within LeaveTimeout, for the
// answers to what it sent meanwhile.
func (l *loop) farewell() {
	l.leaving = true
	l.inFarewell = make(map[ReqID]bool)
	l.step(Leave{})
	limit := time.NewTimer(l.cfg.LeaveTimeout)
	defer limit.Stop()
	for l.goodbyes > 0 {
		select {
		case f := <-l.inbox:
			f(l)
		case <-limit.C:
			return
		}
	}
}

// failRest ends what a machine should have ended by itself when it left.
func (l *loop) failRest() {
	for id := range l.ops {
		l.finish(Done{Op: id, Err: ErrClosed})
	}
}

func (l *loop) step(ev Event) {
	for _, eff := range l.cfg.Machine.Step(time.Now(), ev) {
		l.perform(eff)
	}
}

func (l *loop) perform(eff Effect) {
	switch eff := eff.(type) {
	case Send:
		l.send(eff)
	case Reply:
		if replies := l.inbound[eff.Req]; replies != nil {
			delete(l.inbound, eff.Req)
			replies <- eff // has room for the only reply
		}
	case Found:
		if op := l.ops[eff.Op]; op != nil {
			op.put(eff.Provider)
		}
	case Done:
		l.finish(eff)
	case Changed:
		if l.cfg.OnChanged != nil {
			l.cfg.OnChanged()
		}
	default:
		panic(fmt.Sprintf("overlay: machine %T returned the unknown effect %T", l.cfg.Machine, eff))
	}
}

func (l *loop) finish(d Done) {
	op := l.ops[d.Op]
	if op == nil {
		return
	}
	delete(l.ops, d.Op)
	op.result = d
	close(op.done)
}

// send performs one request in a goroutine of its own, which run waits for.
func (l *loop) send(s Send) {
	if l.leaving {
		l.goodbyes++
		l.inFarewell[s.Req] = true
	}
	l.flight.Go(func() {
		msg, err := l.exchange(s)
		// The loop drains its inbox until the last flight has landed.
		l.inbox <- func(l *loop) {
			if l.inFarewell[s.Req] {
				delete(l.inFarewell, s.Req)
				l.goodbyes--
			}
			if !s.OneWay {
				l.step(Answer{Req: s.Req, Msg: msg, Err: err})
			}
		}
	})
}

// exchange carries one request and its answer. It runs beside the loop and
// touches nothing of it that changes.
func (l *loop) exchange(s Send) (Message, error) {
	out, err := l.cfg.Codec.Encode(s.Msg)
	if err != nil {
		return nil, err
	}
	ctx, cancel := l.calls, context.CancelFunc(func() {})
	if s.Timeout > 0 {
		ctx, cancel = context.WithTimeout(ctx, s.Timeout)
	}
	defer cancel()
	if s.OneWay {
		return nil, l.cfg.Transport.Send(ctx, *s.To, out)
	}
	in, err := l.cfg.Transport.Call(ctx, *s.To, out)
	if err != nil {
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return nil, ErrTimeout
		}
		return nil, err
	}
	return l.cfg.Codec.Decode(in)
}
