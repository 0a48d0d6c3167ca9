package chord

import "time"

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

// maxRisk is how likely a contact that a lookup goes by may be dead: asking one in
// vain costs a round trip or more, and going by a farther one less than a hop.
const maxRisk = .3

// trust is how long after its last sign of life the risk that a contact has died
// is still less than about maxRisk.
func (y *mortality) trust() time.Duration {
	const longest = 48 * time.Hour
	if y.silence == 0 || y.deaths*longest.Seconds() <= maxRisk*y.silence {
		return longest
	}
	return time.Duration(maxRisk * y.silence / y.deaths * float64(time.Second))
}

// recent is since when a contact that is only cached must have been heard of to
// be one for a lookup, in Unix seconds.
func (m *Machine) recent() uint32 {
	return uint32(max(0, m.now.Add(-m.deaths.trust()).Unix()))
}
