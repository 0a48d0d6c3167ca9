package kademlia

import (
	"time"

	"ringswap/overlay"
	"ringswap/overlay/alarm"
)

// upkeep is what keeps the table fresh without anybody's asking: periodic, not
// in reaction to failures, and a little at a time, so that churn never makes a
// burst of traffic.
type upkeep struct {
	m     *Machine
	alarm *alarm.Alarm
	// seeds are ways into the network, for when the table has nobody left.
	seeds    []*overlay.Contact
	entering bool         // a lookup of our own place is running for join
	again    bool         // and another is wanted after it
	retry    *alarm.Alarm // the next attempt to enter
	backoff  time.Duration
	// near is the depth of the nearest subtree at the last round.
	near int
	// joined is when this node got into the network.
	joined time.Time
	// selfLooked is when we last looked up our own place.
	selfLooked time.Time
}

const (
	// rounds is the number of upkeep rounds in one Table.Refresh.
	rounds = 30
	// maxPings is the most contacts that are pinged in one round.
	maxPings = 16
)

func (u *upkeep) every() time.Duration { return u.m.cfg.Table.Refresh / rounds }

// start sets the first round, once.
func (u *upkeep) start() {
	m := u.m
	if u.alarm != nil || m.cfg.Table.Refresh < 0 {
		return
	}
	if u.joined.IsZero() {
		u.selfLooked, u.joined = m.now, m.now
	}
	u.alarm = m.after(m.jitter(u.every()), u.round)
}

// round is one round of upkeep.
func (u *upkeep) round() {
	m := u.m
	u.alarm = m.after(m.jitter(u.every()), u.round)
	m.providers.Expire(m.now)
	m.values.Expire(m.now)
	m.limiter.Sweep(m.now)
	m.checks.sweep(m.now)
	if len(u.seeds) > 0 && !u.entering && u.alone() && !u.retry.Pending() {
		u.enter()
		return
	}
	u.pingStale()
	u.refreshStale()
}

// alone reports whether no contact of the table answers.
func (u *upkeep) alone() bool {
	m := u.m
	for d := range m.table.buckets {
		for i := range m.table.buckets[d].live {
			if !m.table.buckets[d].live[i].silent() {
				return false
			}
		}
	}
	return true
}

// pingStale pings contacts that gave no sign of life for long: Refresh, or a
// third of it in the nearest subtree, where it matters most who is alive. Silent
// ones are tried again and again, less and less often.
func (u *upkeep) pingStale() {
	m := u.m
	now, refresh := stampOf(m.now), m.cfg.Table.Refresh
	near := m.table.nearDepth()
	var stale []*overlay.Contact
	for d := len(m.table.buckets) - 1; d >= 0; d-- {
		for i := range m.table.buckets[d].live {
			e := &m.table.buckets[d].live[i]
			idle, limit := e.seen.since(now), refresh
			if d >= near {
				limit = refresh / 3
			}
			if e.silent() {
				idle = e.tried.since(now)
				limit = min(refresh, u.every()<<(2*min(e.fails-1, 3)))
			}
			if idle >= limit && len(stale) < maxPings {
				stale = append(stale, e.c)
			}
		}
	}
	for _, c := range stale {
		m.checks.ping(c)
	}
}
