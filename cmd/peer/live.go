package main

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// live shows one line that changes: in place on a terminal, else as a new line
// when it changed and some time has passed.
type live interface {
	update(line string)
	done()
}

func (o *output) live() live {
	switch {
	case o.quiet:
		return noLive{}
	case isTerminal(o.stderr):
		return newTerminalLive(o.stderr)
	default:
		return &plainLive{out: o.stderr, now: time.Now}
	}
}

type noLive struct{}

func (noLive) update(string) {}
func (noLive) done()         {}

const liveEvery = 10 * time.Second

type plainLive struct {
	out     io.Writer
	now     func() time.Time
	written time.Time
	line    string
}

func (l *plainLive) update(line string) {
	if line == l.line || l.now().Sub(l.written) < liveEvery {
		return
	}
	l.line, l.written = line, l.now()
	_, _ = fmt.Fprintln(l.out, line) // it is only a display
}

func (l *plainLive) done() {}

type terminalLive struct {
	bars *mpb.Progress
	bar  *mpb.Bar

	mu   sync.Mutex // the drawing goroutine reads line
	line string
}

func newTerminalLive(out io.Writer) *terminalLive {
	l := &terminalLive{bars: mpb.New(mpb.WithOutput(out))}
	l.bar = l.bars.New(1, mpb.NopStyle(), mpb.PrependDecorators(decor.Any(func(decor.Statistics) string {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.line
	})))
	return l
}

func (l *terminalLive) update(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.line = line
}

func (l *terminalLive) done() {
	l.bar.Abort(true)
	l.bars.Wait()
}
