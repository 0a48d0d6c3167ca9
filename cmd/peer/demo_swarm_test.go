package main

import (
	"strings"
	"testing"

	"ringswap/internal/node"
)

// The verdict is about what was measured: it names a loser only if there was one.
func TestSwarmVerdict(t *testing.T) {
	race := func(taker float64, had int, givers ...float64) swarmRace {
		r := swarmRace{got: map[string]node.Got{swarmTaker: {Seconds: taker}}, had: had, chunks: 16}
		for i, s := range givers {
			r.got[swarmGivers[i]] = node.Got{Seconds: s}
		}
		return r
	}
	for _, tc := range []struct {
		race  swarmRace
		says  string
		quiet string
	}{
		{race(6, 4, 4, 4, 4), "lost: it needed 1.50 times as long as those who gave. When the last giver was done, it had 4 of 16 chunks", "did not"},
		{race(6, -1, 4, 4, 4), "lost: it needed 1.50 times", "chunks"},
		{race(5, 16, 4, 4, 4), "lost: it needed 1.25 times", "chunks"},
		{race(4.5, 15, 4, 4, 5), "did not lose: it needed 4.5s, and those who gave 4.3s in the mean, 5s at most", "rider lost"},
	} {
		if got := tc.race.verdict(); !strings.Contains(got, tc.says) || strings.Contains(got, tc.quiet) {
			t.Errorf("%+v: %q", tc.race, got)
		}
	}
}
