package chord

import (
	"math"
	"time"
)

// mortality estimates how soon contacts die, from what became of those that were
// asked: of a constant rate of death, the deaths seen over the time for which
// those asked had not been heard of is the likeliest one. It tells a node how far
// it may trust what it knows, and so how much of its upkeep is worth its traffic,
// in a ring of servers that stay for months as in one of laptops.
type mortality struct {
	// deaths and silence, in seconds, are those of about the last thousand
	// requests: older ones fade out.
	deaths, silence float64
}

// A machine begins with one death in four hours, which is soon outweighed.
const (
	firstSilence = 4 * 3600
	fade         = 1.0 / 1024
)

// observe takes in that a contact that was heard of so long ago was asked, and
// whether it was dead.
func (y *mortality) observe(age time.Duration, dead bool) {
	if y.silence == 0 {
		y.deaths, y.silence = 1, firstSilence
	}
	y.deaths -= y.deaths * fade
	y.silence += age.Seconds() - y.silence*fade
	if dead {
		y.deaths++
	}
}

// rate is the likeliest rate of death, a second.
func (y *mortality) rate() float64 {
	if y.silence == 0 {
		return 1. / firstSilence
	}
	return y.deaths / y.silence
}

// maxRisk is how likely a contact that a lookup goes by may be dead.
const maxRisk = .45

// trust is how long after its last sign of life the risk that a contact has died
// is still less than about maxRisk.
func (y *mortality) trust() time.Duration {
	const longest = 48 * time.Hour
	if rate := y.rate(); rate*longest.Seconds() > maxRisk {
		return time.Duration(maxRisk / rate * float64(time.Second))
	}
	return longest
}

// odds say which contact a lookup had better go by: a nearer one, or one that is more
// likely to live.
type odds struct {
	now, since int64   // in Unix seconds; who was heard of last before since is not trusted
	rate       float64 // of death, a second
	reach      uint64  // the length of a successor list, as an index has distances
}

// odds are those of this moment; nil without a cache, as in the papers: then there is
// nobody but fingers and successors, which are looked after, and the nearest is taken.
func (m *Machine) odds() *odds {
	if m.cfg.Cache.Entries < 0 {
		return nil
	}
	now := m.now.Unix()
	o := &odds{now: now, since: now - int64(m.deaths.trust().Seconds()), rate: m.deaths.rate()}
	if n := len(m.ring.succ); n > 0 {
		o.reach = head(m.ring.succ[n-1].ID.Sub(m.self.ID))
	}
	return o
}

// trusted reports whether a lookup may go by a contact.
func (o *odds) trusted(e *entry) bool {
	return o == nil || e.roles != cached || int64(e.seen) >= o.since
}

// deadCost is what a dead contact costs a lookup, as the number of times that a contact
// which lives may be twice as far from the key: asking in vain takes more than a round
// trip, and four doublings are one hop with digits of four bits.
const deadCost = 8

// cost is what it costs a lookup to go by a contact at that distance before the key,
// in doublings of the distance. Whoever stands so near that his successor list probably
// leads up to the key is about as good as the nearest. Successors are looked after by
// the whole ring.
func (o *odds) cost(e *entry, distance uint64) float64 {
	cost := math.Log2(float64(distance) + float64(o.reach) + 1)
	if e.roles&successor == 0 {
		cost += deadCost * -math.Expm1(-o.rate*float64(max(0, o.now-int64(e.seen))))
	}
	return cost
}
