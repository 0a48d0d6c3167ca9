package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/cwriter"
	"github.com/vbauerster/mpb/v8/decor"

	"ringswap/internal/node"
)

// progress shows how far an operation has come: a bar on a terminal, a line now
// and then elsewhere, nothing if the user wants quiet.
type progress interface {
	update(node.Progress)
	// done takes the display away. Nothing must be written to the terminal
	// between the first update and done, except through update.
	done()
}

// progress begins a display on stderr.
func (o *output) progress() progress {
	switch {
	case o.quiet:
		return noProgress{}
	case isTerminal(o.stderr):
		return &barProgress{out: o.stderr}
	default:
		return &lineProgress{out: o.stderr, now: time.Now}
	}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && cwriter.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb"
}

type noProgress struct{}

func (noProgress) update(node.Progress) {}
func (noProgress) done()                {}

// meter measures the rate over the last few seconds, and the time left.
type meter struct {
	at   [8]sample // a ring, the oldest at next
	next int
	n    int
}

type sample struct {
	t    time.Time
	done int64
}

// meterEvery is the time between two samples: with 8 of them the rate is that
// of the last 4 to 5 seconds.
const meterEvery = 600 * time.Millisecond

func (m *meter) add(t time.Time, done int64) {
	if m.n > 0 {
		last := &m.at[(m.next+len(m.at)-1)%len(m.at)]
		if done < last.done { // another file
			*m = meter{}
		} else if m.n > 1 && t.Sub(m.at[(m.next+len(m.at)-2)%len(m.at)].t) < meterEvery {
			*last = sample{t, done}
			return
		}
	}
	m.at[m.next] = sample{t, done}
	m.next = (m.next + 1) % len(m.at)
	m.n = min(m.n+1, len(m.at))
}

// rate is bytes a second, or 0 as long as that is unknown.
func (m *meter) rate() float64 {
	if m.n < 2 {
		return 0
	}
	last := m.at[(m.next+len(m.at)-1)%len(m.at)]
	first := m.at[(m.next+len(m.at)-m.n)%len(m.at)]
	dt := last.t.Sub(first.t)
	if dt < 50*time.Millisecond {
		return 0
	}
	return float64(last.done-first.done) / dt.Seconds()
}

// left is the time to go at this rate, or 0 if nobody knows.
func (m *meter) left(p node.Progress) time.Duration {
	r := m.rate()
	if r <= 0 || p.Total <= p.Done {
		return 0
	}
	s := float64(p.Total-p.Done) / r
	if s > 365*24*3600 {
		return 0
	}
	return time.Duration(s * float64(time.Second)).Round(time.Second)
}

// facts is one state of an operation in words, without its name and bar.
func facts(p node.Progress, m *meter) string {
	s := size(p.Done)
	if p.Total > 0 {
		s += " of " + size(p.Total)
	}
	if r := m.rate(); r > 0 {
		s += ", " + rate(r)
	}
	if p.Peers > 0 {
		s += ", " + count(p.Peers, "peer")
	}
	if d := m.left(p); d > 0 {
		s += ", " + d.String() + " left"
	}
	return s
}

// maxTitleName is the number of characters of a name that leave room for the
// rest of the line.
const maxTitleName = 40

func title(p node.Progress) string {
	name := []rune(printable(p.Name))
	switch {
	case len(name) == 0:
		return p.Phase
	case len(name) > maxTitleName:
		name = append(name[:maxTitleName-1], '…')
	}
	return p.Phase + " " + string(name)
}

func percent(p node.Progress) int {
	if p.Total <= 0 {
		return -1
	}
	return int(100 * float64(min(p.Done, p.Total)) / float64(p.Total))
}

// lineProgress writes a line when a phase begins that cannot be measured, and
// otherwise at every tenth, at most one a second, or every few seconds if that
// takes long. What is done within a second is not mentioned.
type lineProgress struct {
	out   io.Writer
	now   func() time.Time
	meter meter
	phase string
	note  string
	tenth int
	last  time.Time
}

const lineEvery = 5 * time.Second

func (l *lineProgress) update(p node.Progress) {
	now := l.now()
	if p.Note != "" && p.Note != l.note {
		l.note = p.Note
		l.printf("%s\n", printable(p.Note))
	}
	if p.Phase == "" {
		return
	}
	if p.Phase != l.phase {
		l.phase, l.meter, l.tenth, l.last = p.Phase, meter{}, percent(p)/10, now
		if p.Done >= p.Total {
			l.printf("%s\n", title(p))
		}
	}
	l.meter.add(now, p.Done)
	since, tenth := now.Sub(l.last), percent(p)/10
	if (tenth != l.tenth && since >= time.Second) || (since >= lineEvery && p.Done > 0) {
		l.tenth, l.last = tenth, now
		if pc := percent(p); pc >= 0 {
			l.printf("%s: %d%%, %s\n", title(p), pc, facts(p, &l.meter))
			return
		}
		l.printf("%s: %s\n", title(p), facts(p, &l.meter))
	}
}

func (l *lineProgress) done() {}

func (l *lineProgress) printf(format string, args ...any) {
	_, _ = fmt.Fprintf(l.out, format, args...) // losing a progress line is no failure
}

// barProgress draws a bar with rate, peers and time left.
type barProgress struct {
	out   io.Writer
	bars  *mpb.Progress
	bar   *mpb.Bar
	total int64
	note  string

	mu    sync.Mutex // the drawing goroutine reads what follows
	state node.Progress
	meter meter
}

func (b *barProgress) update(p node.Progress) {
	if b.bars == nil {
		b.bars = mpb.New(mpb.WithOutput(b.out), mpb.WithRefreshRate(120*time.Millisecond))
	}
	if p.Note != "" && p.Note != b.note {
		b.note = p.Note
		_, _ = fmt.Fprintf(b.bars, "%s\n", printable(p.Note))
	}
	if p.Phase == "" {
		return
	}
	b.mu.Lock()
	changed := p.Phase != b.state.Phase
	if changed {
		b.meter = meter{}
	}
	b.state = p
	b.meter.add(time.Now(), p.Done)
	b.mu.Unlock()
	if b.bar == nil || changed || p.Total != b.total {
		b.replace(p)
	}
	b.bar.SetCurrent(min(p.Done, b.total))
}

// replace puts a new bar in place of that of another phase or size.
func (b *barProgress) replace(p node.Progress) {
	if b.bar != nil {
		b.bar.Abort(true)
		b.bar.Wait()
	}
	b.total = p.Total
	style := mpb.NopStyle()
	if p.Total > 0 {
		style = mpb.BarStyle().Lbound("▕").Filler("█").Tip("█").Padding("░").Rbound("▏")
	}
	b.bar = b.bars.New(max(p.Total, 0)+1, style, // +1: it must not complete before done
		mpb.BarWidth(30),
		mpb.PrependDecorators(decor.Any(func(decor.Statistics) string {
			b.mu.Lock()
			defer b.mu.Unlock()
			return title(b.state) + " "
		})),
		mpb.AppendDecorators(decor.Any(func(decor.Statistics) string {
			b.mu.Lock()
			defer b.mu.Unlock()
			if pc := percent(b.state); pc >= 0 {
				return fmt.Sprintf(" %d%% %s", pc, facts(b.state, &b.meter))
			}
			return " " + facts(b.state, &b.meter)
		})),
	)
}

func (b *barProgress) done() {
	if b.bar != nil {
		b.bar.Abort(true)
	}
	if b.bars != nil {
		b.bars.Wait()
	}
}
