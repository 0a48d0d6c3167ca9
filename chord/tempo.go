package chord

import (
	"time"

	"ringswap/overlay/alarm"
)

// tempo is how often a node looks after its place in the ring: at once where
// something changes, and the seldomer the longer nothing did.
type tempo struct {
	alarm *alarm.Alarm  // the next stabilization
	pace  time.Duration // the mean time to it
	calm  time.Duration // the usual time between two changes of the successor list
	last  time.Time     // when it changed last
}

// schedule sets the time of the next stabilization, d from now in the mean.
func (r *ring) schedule(d time.Duration) {
	t := &r.tempo
	r.m.clock.Stop(t.alarm)
	t.alarm = r.m.after(r.m.jitter(d), r.round)
}

// by has a stabilization made within about d.
func (r *ring) by(d time.Duration) {
	if t := &r.tempo; !t.alarm.Pending() || t.alarm.At().After(r.m.now.Add(d)) {
		r.schedule(d)
	}
}

// soon brings the next stabilization forward. Those after it follow at intervals
// that grow back to the usual one, since a change seldom comes alone.
func (r *ring) soon() {
	c := &r.m.cfg.Ring
	if c.Stabilize < 0 || r.m.closed {
		return
	}
	r.tempo.pace = c.Eager
	r.by(c.Eager)
}

// stirred notes that the successor list has changed. Where that happens more often
// than stabilizations, every change is followed up at once.
func (r *ring) stirred() {
	t, c := &r.tempo, &r.m.cfg.Ring
	t.calm += (min(r.m.now.Sub(t.last), 4*c.Quiet) - t.calm) / 8
	t.last = r.m.now
	if t.calm < c.Stabilize {
		r.changed = true
	}
}

// rest is the longest mean time between two stabilizations: that between two changes
// of the successor list, down to half of it where the list is short. Since a change is
// told of (tell), what a round finds out by itself is that the first successor has died
// without a word: one change in many of a long list, which many such deaths do not
// exhaust; in a small ring everyone counts.
func (r *ring) rest() time.Duration {
	t, c := &r.tempo, &r.m.cfg.Ring
	calm := min(max(t.calm, r.m.now.Sub(t.last)), c.Quiet)
	return max(calm/2, calm*time.Duration(len(r.succ))/time.Duration(c.Successors), c.Stabilize)
}
