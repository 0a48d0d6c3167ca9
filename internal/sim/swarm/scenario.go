package swarm

import "time"

// mbit is a megabit a second, in bytes a second.
const mbit = 1e6 / 8

// Rates of the scenarios' links, in bytes a second.
const (
	SeedUp    = 40 * mbit
	LeecherUp = 20 * mbit
	Down      = 160 * mbit
)

// Names of the scenarios' groups.
const (
	Givers = "givers"
	Takers = "takers"
)

// Leechers are nodes of 20 Mbit/s up and 160 down, 40 ms of round trip apart,
// which go on seeding when they have everything.
func Leechers(name string, n int, s Strategy) Group {
	return Group{Name: name, Count: n, Up: LeecherUp, Down: Down, Delay: 20 * time.Millisecond, Stay: -1, Strategy: s}
}

// Seed is a node that has everything from the beginning: 40 Mbit/s up.
func Seed() Group {
	return Group{Name: "seed", Count: 1, Up: SeedUp, Down: Down, Delay: 20 * time.Millisecond, Complete: true, Stay: -1}
}

// Crowd is n peers that come at once to one seed; takers of them play s. Up to
// twenty peers share 64 chunks of 1 MiB, more of them 64 of 256 KiB, which is the
// same at a quarter of the cost.
func Crowd(rule Rule, n, takers int, s Strategy, seed uint64) Config {
	c := Config{
		Seed: seed, Rule: rule, Size: 64 << 20, Chunk: 1 << 20, View: 30,
		Groups: []Group{Leechers(Givers, n-takers, Strategy{}), Seed(), Leechers(Takers, takers, s)},
	}
	if n > 20 {
		c.Size, c.Chunk, c.View = 16<<20, 256<<10, 20
	}
	return c
}

// Steady is peers that come one by one, three tenths of them takers; givers go
// when they have everything. The run ends a minute after the last has come; the
// Jain index is of those that came in the first two thirds of the time.
func Steady(rule Rule, n int, s Strategy, seed uint64) Config {
	const every = 300 * time.Millisecond
	c := Crowd(rule, 21, 0, s, seed)
	takers := n * 3 / 10
	g, t := Leechers(Givers, n-takers, Strategy{}), Leechers(Takers, takers, s)
	g.Stay, t.Stay = 0, 0
	g.Every = every * time.Duration(n) / time.Duration(n-takers)
	t.Every = every * time.Duration(n) / time.Duration(max(takers, 1))
	c.Groups = []Group{g, Seed(), t}
	c.Limit = every*time.Duration(n) + time.Minute
	c.Counted = every * time.Duration(n) * 2 / 3
	return c
}

// Orphans is givers whose seed goes when it has sent half of the file a second
// time, and who go themselves when they have everything. The takers come when the
// seed goes, so they never meet one.
func Orphans(rule Rule, n, takers int, s Strategy, seed uint64) Config {
	c := Crowd(rule, n, takers, s, seed)
	c.Groups[0].Stay, c.Groups[2].Stay = 0, 0
	c.Groups[1].Leave = time.Duration(float64(c.Size) / SeedUp * 1.5 * float64(time.Second))
	c.Groups[2].From = c.Groups[1].Leave
	c.Limit = 2 * time.Minute
	return c
}
