package chord

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"ringswap/overlay"
	"ringswap/overlay/record"
)

// Config is what a [Machine] needs. Self.Peer and Rand are required; zero in any
// other field means the default that its comment names. [Published] has the
// settings of the Chord papers.
type Config struct {
	// Self is this node. Its addresses and role can change later (SelfChanged).
	Self overlay.Contact
	// Server says that this node takes part in the ring. A client looks up and is
	// never in it.
	Server bool
	// Rand is the machine's only source of randomness, and belongs to it.
	Rand *rand.Rand
	// Copies is the number of nodes responsible for a key: its successor and the
	// next ones. 0 means 8.
	Copies int

	Ring    RingConfig
	Fingers FingerConfig
	Cache   CacheConfig
	Lookup  LookupConfig
	Records RecordConfig
	Limits  LimitConfig
}

// RingConfig is how the ring is kept.
type RingConfig struct {
	// Successors is the length r of the successor list. 0 means 32.
	Successors int
	// Stabilize is the mean time between two stabilizations in a ring that changes;
	// each is drawn evenly from half to one and a half of it. 0 means 10 s; a
	// negative one turns all upkeep of the ring off, for networks that do not change.
	Stabilize time.Duration
	// Quiet is the mean time that they grow to where the successor list seldom
	// changes: it is no longer than the time between two changes, and half as long
	// where the list is no longer than half of Successors. 0 means six times
	// Stabilize; a negative one means Stabilize.
	Quiet time.Duration
	// Eager is the mean time to the next stabilization after one that changed
	// something. 0 means a fifth of Stabilize; a negative one means Stabilize.
	Eager time.Duration
	// Checks is the number of nodes of the successor list, beside the first, that
	// are contacted in the time of sixteen stabilizations. 0 means 1; a negative one means none.
	Checks int
	// SelfLookup is the mean time between two lookups of this node's own place
	// through a distant node, which show whether there is another ring; it doubles
	// up to eight times as long while they show nothing new, and all but the first
	// are up to sixteen times as rare in a large ring, where many nodes make them. 0
	// means one minute; a negative one means never.
	SelfLookup time.Duration
	// Remember is the most nodes that are remembered after they fell silent, as
	// ways back when a partition heals. 0 means 64; a negative one means none.
	Remember int
	// RememberFor is how long they are remembered. 0 means 24 h.
	RememberFor time.Duration
	// Probe is the mean time between two probes of remembered nodes while any is
	// new; one that stays silent is probed ever more seldom, and so are all where
	// only some fall silent in a large ring. 0 means 12 s.
	Probe time.Duration
	// AnyID accepts contacts whose ID is not the hash of their peer ID, for tests
	// with places of their own choice. Over a wire, IDs are always hashes.
	AnyID bool
	// Addressless accepts contacts without any address: the transport finds peers
	// by ID alone. For simulators.
	Addressless bool
}

// FingerConfig is how the contacts across the ring are chosen.
type FingerConfig struct {
	// Bits is the width b of a digit: for each place of a digit there are 2^b-1
	// intervals of the ring with a finger in each. 0 means 4; 1 is ToN's table.
	Bits int
	// Candidates is the number of nodes of an interval from which the one with
	// the least round trip becomes its finger. 0 means 8; a negative one takes
	// the first node of the interval, as ToN does.
	Candidates int
	// Refresh is the mean time between two refreshes of one finger each, drawn
	// like Ring.Stabilize; it grows to eight times as long while few fingers are
	// found dead. 0 means 10 s; a negative one turns it off.
	Refresh time.Duration
}

// CacheConfig is the learned routing cache: nodes that answered this node at some
// time or asked it something, thinned out so that there are as many between distance
// d and 2d for every d. They serve for routing only.
type CacheConfig struct {
	// Entries is the most of them. 0 means 1,000; a negative one means none.
	Entries int
}

// LookupConfig is how this node searches.
type LookupConfig struct {
	// Recursive passes a lookup on from node to node, the last of which answers
	// straight to this one, instead of asking each in turn. A client asks itself.
	Recursive bool
	// Alpha is the most requests of one lookup that are out and not late. 0 means
	// 1, which is sequential.
	Alpha int
	// Answer is the most nodes before the key that an answer of this node names.
	// 0 means 4.
	Answer int
	// Guess is the number of nodes, unknown to whoever knows best, that may be
	// expected between a key and a node that is asked whether the key is its own
	// before anybody near the key has said so. 0 means 1.146, where that costs as
	// much as it saves; a negative one asks only nodes that were named by a node
	// before the key, as ToN does.
	Guess float64
	// RequestTimeout is the longest that an answer may take. 0 means 5 s.
	RequestTimeout time.Duration
	// MinTimeout is the shortest: in between, an answer may take four times as
	// long as answers usually do. 0 means 1 s, or RequestTimeout if that is less.
	MinTimeout time.Duration
	// Hurry is the least time after which a request that takes longer than
	// answers usually do is late, and the lookup asks another node beside it.
	// 0 means 50 ms; a negative one waits for each answer or its timeout.
	Hurry time.Duration
	// MaxTime ends a lookup with what it has. 0 means one minute.
	MaxTime time.Duration
	// MaxRequests is the most requests of one lookup. 0 means 128.
	MaxRequests int
	// MaxHops is the most nodes that pass a recursive lookup on. 0 means 32.
	MaxHops int
}

// RecordConfig is what this node keeps, for itself and for others.
type RecordConfig struct {
	// ProviderTTL is the life of a provider record. 0 means 48 h.
	ProviderTTL time.Duration
	// Reprovide is the time within which every key that this node provides is
	// announced again. 0 means 22 h.
	Reprovide time.Duration
	// ValueTTL is the life of a value at the nodes responsible for it, counted
	// from its publication. 0 means 48 h.
	ValueTTL time.Duration
	// MaxKeys is the most keys with provider records. 0 means 65,536.
	MaxKeys int
	// MaxProviders is the most providers of one key. 0 means 128.
	MaxProviders int
	// MaxPerPeer is the most keys of one provider. 0 means MaxKeys/4.
	MaxPerPeer int
	// MaxValues is the most values. 0 means 4,096.
	MaxValues int
	// Sync is the mean time between two comparisons of what this node holds with
	// what its neighbours do; they are made at once when the neighbours change.
	// 0 means 10 minutes; a negative one turns them all off.
	Sync time.Duration
	// Validator judges values. nil accepts public keys ([record.PublicKeys]) and
	// nothing else.
	Validator record.Validator
}

// LimitConfig bounds what others and the local user can make this node do.
type LimitConfig struct {
	// PerPeer is the number of requests a second that one peer may send for long,
	// Burst how many at once. 0 means 200 and 1,000; a negative PerPeer lifts the
	// limit.
	PerPeer float64
	Burst   int
	// Forwards is the number of recursive lookups a second that this node passes
	// on for one asker for long, ForwardBurst how many at once. 0 means 20 and
	// 200; a negative Forwards lifts the limit.
	Forwards     float64
	ForwardBurst int
	// Operations is the most operations of the local user that run at a time;
	// more are refused. 0 means 1,024.
	Operations int
	// Background is the most operations that the machine runs for itself at a
	// time: announcing again, refreshing. 0 means 4.
	Background int
	// SendsPerSecond paces what it sends by itself without a lookup: records for
	// a new neighbour. 0 means 100.
	SendsPerSecond int
}

// Published changes cfg to the settings under which the Chord papers measured
// (ToN, section VI): base-2 fingers, each the first node of its interval, 20
// successors, one finger and the list refreshed every U[15,45] s, sequential
// lookups with a timeout of 500 ms, and none of what the papers did not have.
func Published(cfg *Config) {
	cfg.Ring.Successors = 20
	cfg.Ring.Stabilize = 30 * time.Second
	cfg.Ring.Quiet, cfg.Ring.Eager, cfg.Ring.Checks, cfg.Ring.SelfLookup, cfg.Ring.Remember = -1, -1, -1, -1, -1
	cfg.Fingers = FingerConfig{Bits: 1, Candidates: -1, Refresh: 30 * time.Second}
	cfg.Cache = CacheConfig{Entries: -1}
	cfg.Lookup.Recursive, cfg.Lookup.Alpha, cfg.Lookup.Hurry, cfg.Lookup.Guess = false, 1, -1, -1
	cfg.Lookup.RequestTimeout, cfg.Lookup.MinTimeout = 500*time.Millisecond, 500*time.Millisecond
}

func orDefault[T int | time.Duration | float64](v *T, def T) {
	if *v == 0 {
		*v = def
	}
}

// WithDefaults is the configuration with its default in the place of every zero.
func (c Config) WithDefaults() Config {
	orDefault(&c.Copies, 8)
	r := &c.Ring
	orDefault(&r.Successors, 32)
	orDefault(&r.Stabilize, 10*time.Second)
	orDefault(&r.Eager, r.Stabilize/5)
	if r.Eager < 0 || r.Stabilize < 0 {
		r.Eager = r.Stabilize
	}
	orDefault(&r.Quiet, 6*r.Stabilize)
	r.Quiet = max(r.Quiet, r.Stabilize)
	orDefault(&r.Checks, 1)
	orDefault(&r.SelfLookup, time.Minute)
	orDefault(&r.Remember, 64)
	orDefault(&r.RememberFor, 24*time.Hour)
	orDefault(&r.Probe, 12*time.Second)
	f := &c.Fingers
	orDefault(&f.Bits, 4)
	orDefault(&f.Candidates, 8)
	orDefault(&f.Refresh, 10*time.Second)
	orDefault(&c.Cache.Entries, 1000)
	l := &c.Lookup
	orDefault(&l.Alpha, 1)
	orDefault(&l.Answer, 4)
	orDefault(&l.Guess, evenGuess)
	orDefault(&l.RequestTimeout, 5*time.Second)
	orDefault(&l.MinTimeout, min(time.Second, l.RequestTimeout))
	orDefault(&l.Hurry, 50*time.Millisecond)
	orDefault(&l.MaxTime, time.Minute)
	orDefault(&l.MaxRequests, 128)
	orDefault(&l.MaxHops, 32)
	c.Records = c.Records.withDefaults()
	m := &c.Limits
	orDefault(&m.PerPeer, 200)
	orDefault(&m.Burst, 1000)
	orDefault(&m.Forwards, 20)
	orDefault(&m.ForwardBurst, 200)
	orDefault(&m.Operations, 1024)
	orDefault(&m.Background, 4)
	orDefault(&m.SendsPerSecond, 100)
	return c
}

func (r RecordConfig) withDefaults() RecordConfig {
	orDefault(&r.ProviderTTL, 48*time.Hour)
	orDefault(&r.Reprovide, 22*time.Hour)
	orDefault(&r.ValueTTL, 48*time.Hour)
	orDefault(&r.MaxKeys, 1<<16)
	orDefault(&r.MaxProviders, 128)
	orDefault(&r.MaxPerPeer, max(1, r.MaxKeys/4))
	orDefault(&r.MaxValues, 1<<12)
	orDefault(&r.Sync, 10*time.Minute)
	if r.Validator == nil {
		r.Validator = record.PublicKeys{}
	}
	return r
}

// Validate reports the first field that cannot be used.
func (c Config) Validate() error {
	switch {
	case c.Self.Peer == "":
		return errors.New("chord: Self has no peer ID")
	case c.Rand == nil:
		return errors.New("chord: Rand is missing")
	}
	c = c.WithDefaults()
	for _, f := range []struct {
		name            string
		value, min, max int
	}{
		{"Copies", c.Copies, 1, MaxContacts},
		{"Ring.Successors", c.Ring.Successors, 1, MaxContacts},
		{"Ring.Checks", c.Ring.Checks, -1 << 31, MaxContacts},
		{"Ring.Remember", c.Ring.Remember, -1 << 31, 1 << 12},
		{"Fingers.Bits", c.Fingers.Bits, 1, 8},
		{"Fingers.Candidates", c.Fingers.Candidates, -1 << 31, MaxContacts},
		{"Cache.Entries", c.Cache.Entries, -1 << 31, 1 << 20},
		{"Lookup.Alpha", c.Lookup.Alpha, 1, 64},
		{"Lookup.Answer", c.Lookup.Answer, 1, MaxContacts},
		{"Lookup.MaxRequests", c.Lookup.MaxRequests, 1, 1 << 16},
		{"Lookup.MaxHops", c.Lookup.MaxHops, 1, MaxTrace},
		{"Records.MaxKeys", c.Records.MaxKeys, 1, 1 << 30},
		{"Records.MaxProviders", c.Records.MaxProviders, 1, 1 << 20},
		{"Records.MaxPerPeer", c.Records.MaxPerPeer, 1, 1 << 30},
		{"Records.MaxValues", c.Records.MaxValues, 1, 1 << 30},
		{"Limits.Burst", c.Limits.Burst, 1, 1 << 30},
		{"Limits.ForwardBurst", c.Limits.ForwardBurst, 1, 1 << 30},
		{"Limits.Operations", c.Limits.Operations, 1, 1 << 20},
		{"Limits.Background", c.Limits.Background, 1, 1 << 10},
		{"Limits.SendsPerSecond", c.Limits.SendsPerSecond, 1, 1 << 20},
	} {
		if f.value < f.min || f.value > f.max {
			return fmt.Errorf("chord: %s is %d, must be %d to %d", f.name, f.value, f.min, f.max)
		}
	}
	return c.validateTimes()
}

func (c Config) validateTimes() error {
	for _, f := range []struct {
		name  string
		value time.Duration
		off   bool // a negative one turns it off
	}{
		{"Ring.Stabilize", c.Ring.Stabilize, true},
		{"Ring.Quiet", c.Ring.Quiet, true},
		{"Ring.Eager", c.Ring.Eager, true},
		{"Ring.SelfLookup", c.Ring.SelfLookup, true},
		{"Ring.RememberFor", c.Ring.RememberFor, false},
		{"Ring.Probe", c.Ring.Probe, false},
		{"Fingers.Refresh", c.Fingers.Refresh, true},
		{"Lookup.RequestTimeout", c.Lookup.RequestTimeout, false},
		{"Lookup.MinTimeout", c.Lookup.MinTimeout, false},
		{"Lookup.Hurry", c.Lookup.Hurry, true},
		{"Lookup.MaxTime", c.Lookup.MaxTime, false},
		{"Records.ProviderTTL", c.Records.ProviderTTL, false},
		{"Records.Reprovide", c.Records.Reprovide, false},
		{"Records.ValueTTL", c.Records.ValueTTL, false},
		{"Records.Sync", c.Records.Sync, true},
	} {
		if f.value < time.Millisecond && (!f.off || f.value >= 0) {
			return fmt.Errorf("chord: %s is %v, must be at least 1ms", f.name, f.value)
		}
	}
	if g := c.Lookup.Guess; !(g <= MaxContacts) { // refuses NaN too
		return fmt.Errorf("chord: Lookup.Guess is %v, must be at most %d", g, MaxContacts)
	}
	if c.Lookup.MinTimeout > c.Lookup.RequestTimeout {
		return fmt.Errorf("chord: Lookup.MinTimeout is %v, longer than Lookup.RequestTimeout", c.Lookup.MinTimeout)
	}
	return nil
}
