package chord_test

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"ringswap/chord"
	"ringswap/overlay/overlaytest"
)

// TestValidate: what cannot be used is refused at once, by name.
func TestValidate(t *testing.T) {
	for want, change := range map[string]func(*chord.Config){
		"":                   func(*chord.Config) {},
		"Self":               func(c *chord.Config) { c.Self.Peer = "" },
		"Rand":               func(c *chord.Config) { c.Rand = nil },
		"forged identity":    func(c *chord.Config) { c.Self.ID = at(1) },
		"Copies":             func(c *chord.Config) { c.Copies = -1 },
		"Ring.Successors":    func(c *chord.Config) { c.Ring.Successors = chord.MaxContacts + 1 },
		"Ring.Stabilize":     func(c *chord.Config) { c.Ring.Stabilize = time.Microsecond },
		"Fingers.Bits":       func(c *chord.Config) { c.Fingers.Bits = 9 },
		"Lookup.Alpha":       func(c *chord.Config) { c.Lookup.Alpha = -1 },
		"Lookup.Guess":       func(c *chord.Config) { c.Lookup.Guess = math.NaN() },
		"Lookup.MinTimeout":  func(c *chord.Config) { c.Lookup.MinTimeout = time.Hour },
		"Lookup.MaxHops":     func(c *chord.Config) { c.Lookup.MaxHops = chord.MaxTrace + 1 },
		"Limits.Operations":  func(c *chord.Config) { c.Limits.Operations = -1 },
		"Records.MaxPerPeer": func(c *chord.Config) { c.Records.MaxPerPeer = -1 },
	} {
		cfg := chord.Config{Self: overlaytest.Contact(1), Rand: rand.New(rand.NewPCG(1, 1))}
		change(&cfg)
		_, err := chord.New(cfg)
		switch {
		case want == "" && err != nil:
			t.Errorf("the defaults: %v", err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v", want, err)
		}
	}
}
