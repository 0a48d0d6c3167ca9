package sim

import (
	"errors"
	"fmt"
	"time"

	"ringswap/overlay"
)

// Settings are what every run is made of. Overlay is required; zero in any other
// field means what its comment says.
type Settings struct {
	// Overlay is the overlay with the configuration of its machines.
	Overlay Overlay
	// Seed decides everything that is left to chance. 0 is a seed like any other.
	Seed uint64
	// Latency is how long messages take. nil means 50 ms from anyone to anyone.
	Latency Latency
	// Loss is the share of messages that get lost, 0 to 1 exclusive.
	Loss float64
	// CountBytes has every message encoded and its length counted, which costs
	// most of a run's time. Contacts carry two addresses then, as real ones do.
	CountBytes bool
	// MessageOverhead is what a message costs beside its own bytes when they are
	// counted: framing, encryption and headers. 0 means 80 bytes, negative none.
	MessageOverhead int
	// Machines is the most machines that are kept when a network is built at once
	// and does not change (see [World.Populate]); the rest is made again when
	// needed. 0 means 1,024: making one anew costs less than having many, each of which
	// is out of the processor's caches by the next time it is asked.
	Machines int
	// Workers is the number of goroutines that run the shards of the network; what
	// happens does not depend on it. It pays where a run is alone on its cores, all
	// messages take some time (Latency.Least), and much happens in as long. 0 means 1.
	Workers int
}

const (
	defaultOverhead = 80
	defaultMachines = 1 << 10
	// MaxNodes is the most nodes of a run.
	MaxNodes = 1 << 24
)

func (s Settings) withDefaults() Settings {
	if s.Latency == nil {
		s.Latency = Constant(50 * time.Millisecond)
	}
	if s.MessageOverhead == 0 {
		s.MessageOverhead = defaultOverhead
	}
	s.MessageOverhead = max(0, s.MessageOverhead)
	if s.Machines == 0 {
		s.Machines = defaultMachines
	}
	s.Workers = max(1, s.Workers)
	return s
}

// ErrSettings is wrapped by every error about settings that cannot be used.
var ErrSettings = errors.New("sim: invalid setting")

// invalid says which field is wrong and why.
func invalid(field, why string, args ...any) error {
	return fmt.Errorf("%w: %s %s", ErrSettings, field, fmt.Sprintf(why, args...))
}

// Validate reports the first field that cannot be used.
func (s Settings) Validate() error {
	switch {
	case s.Overlay == nil:
		return invalid("Overlay", "is missing")
	case !(s.Loss >= 0 && s.Loss < 1): // refuses NaN too
		return invalid("Loss", "is %v, must be at least 0 and less than 1", s.Loss)
	case s.Machines < 0 || s.Machines > 0 && s.Machines < 64:
		return invalid("Machines", "is %d, must be at least 64", s.Machines)
	case s.Workers < 0:
		return invalid("Workers", "is %d, must not be negative", s.Workers)
	}
	if l, ok := s.Latency.(interface{ Validate() error }); ok {
		if err := l.Validate(); err != nil {
			return err
		}
	}
	// The configuration of the machines is judged by making one.
	probe := overlay.NewContact(peerWith(0, 0, 0))
	if _, err := s.Overlay.New(probe, true, false, newRand(0)); err != nil {
		return fmt.Errorf("%w: Overlay: %w", ErrSettings, err)
	}
	return nil
}

// count reports an int field that is not 1 to most.
func count(field string, v, most int) error {
	if v < 1 || v > most {
		return invalid(field, "is %d, must be 1 to %d", v, most)
	}
	return nil
}

// share reports a field that is no share: 0 to 1, the latter exclusive.
func share(field string, v float64) error {
	if !(v >= 0 && v < 1) {
		return invalid(field, "is %v, must be at least 0 and less than 1", v)
	}
	return nil
}

// span reports a duration that is not positive.
func span(field string, v time.Duration) error {
	if v <= 0 {
		return invalid(field, "is %v, must be greater than 0", v)
	}
	return nil
}
