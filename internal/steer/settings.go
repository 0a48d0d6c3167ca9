package steer

import (
	"errors"
	"fmt"
	"math"
)

// ServeNobody as Settings.LimitUp makes a node that only takes.
const ServeNobody = -1

// Bounds of what can be set.
const (
	MaxRate    = 1 << 50 // bytes a second
	MaxAtOnce  = 10_000
	maxRatio   = 1e6
	maxSeconds = 100 * 365 * 24 * 3600
)

// ErrSetting is wrapped by the errors about values that cannot be set.
var ErrSetting = errors.New("cannot be set")

// Goal is when enough of something has been given: at whichever of the two comes
// first. The zero Goal is never reached.
type Goal struct {
	// Ratio is bytes sent over bytes of content; 0 means that it does not count.
	Ratio float64 `json:"ratio"`
	// Seconds is for how long it has been served; 0 means that it does not count.
	Seconds float64 `json:"seconds"`
}

func (g Goal) reached(sent, size int64, seconds float64) bool {
	return g.Ratio > 0 && size > 0 && float64(sent) >= g.Ratio*float64(size) || g.Seconds > 0 && seconds >= g.Seconds
}

func (g Goal) validate() error {
	switch {
	case !(g.Ratio >= 0 && g.Ratio <= maxRatio): // not a number, too
		return fmt.Errorf("a ratio of %v %w", g.Ratio, ErrSetting)
	case !(g.Seconds >= 0 && g.Seconds <= maxSeconds):
		return fmt.Errorf("a time of %v seconds %w", g.Seconds, ErrSetting)
	}
	return nil
}

// Settings are for the node as a whole.
type Settings struct {
	LimitUp   int64 `json:"limit_up"`   // bytes a second; 0 is no limit, ServeNobody serves nobody
	LimitDown int64 `json:"limit_down"` // bytes a second; 0 is no limit
	AtOnce    int   `json:"at_once"`    // transfers that run at a time; 0 is no limit
	Goal      Goal  `json:"goal"`       // for what this node has fetched
}

func (s Settings) validate() error {
	switch {
	case s.LimitUp < ServeNobody || s.LimitUp > MaxRate:
		return fmt.Errorf("a limit of %d bytes a second %w", s.LimitUp, ErrSetting)
	case s.LimitDown < 0 || s.LimitDown > MaxRate:
		return fmt.Errorf("a limit of %d bytes a second %w", s.LimitDown, ErrSetting)
	case s.AtOnce < 0 || s.AtOnce > MaxAtOnce:
		return fmt.Errorf("%d transfers at a time %w", s.AtOnce, ErrSetting)
	}
	return s.Goal.validate()
}

// Change is what of Settings, or of what is set for one root, is to be changed;
// nil leaves a value as it is.
type Change struct {
	LimitUp     *int64   `json:"limit_up,omitempty"`
	LimitDown   *int64   `json:"limit_down,omitempty"`
	AtOnce      *int     `json:"at_once,omitempty"`
	GoalRatio   *float64 `json:"goal_ratio,omitempty"`
	GoalSeconds *float64 `json:"goal_seconds,omitempty"`
}

// Empty reports whether nothing is to be changed.
func (c Change) Empty() bool { return c == Change{} }

func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

func (c Change) goal(g Goal) Goal {
	set(&g.Ratio, c.GoalRatio)
	set(&g.Seconds, c.GoalSeconds)
	return g
}

// To is s with the change.
func (c Change) To(s Settings) Settings {
	set(&s.LimitUp, c.LimitUp)
	set(&s.LimitDown, c.LimitDown)
	set(&s.AtOnce, c.AtOnce)
	s.Goal = c.goal(s.Goal)
	return s
}

// grow adds to a sum that must not overflow, whatever a file said.
func grow(sum *int64, n int64) {
	if n > math.MaxInt64-*sum {
		n = math.MaxInt64 - *sum
	}
	*sum += max(n, 0)
}
