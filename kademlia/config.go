package kademlia

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"ringswap/overlay"
	"ringswap/overlay/record"
)

// Config is what a [Machine] needs. Self.Peer and Rand are required; zero in
// any other field means the default that its comment names.
type Config struct {
	// Self is this node. Its addresses and role can change later (SelfChanged).
	Self overlay.Contact
	// Server says that this node answers requests.
	Server bool
	// Rand is the machine's only source of randomness, and belongs to it.
	Rand *rand.Rand
	// K is the number of nodes responsible for a key, and of contacts in an
	// answer: the paper's k. 0 means 20.
	K int

	Lookup  LookupConfig
	Table   TableConfig
	Records RecordConfig
	Limits  LimitConfig
}

// LookupConfig is how this node searches.
type LookupConfig struct {
	// Alpha is the most requests of one lookup that are in flight. 0 means 10.
	Alpha int
	// Beta is the number of nearest nodes that must have answered, and the number
	// of requests in flight while all of them are answered in time. 0 means 3.
	Beta int
	// Paths is the number of disjoint paths (S/Kademlia's d). 0 means 1.
	Paths int
	// Quorum is the number of nodes whose records GetValue compares before it
	// stops early. 0 means Beta, a negative one all that are responsible.
	Quorum int
	// RequestTimeout is how long an answer may take. 0 means 10 s.
	RequestTimeout time.Duration
	// Patience is the longest that a lookup waits for one node before it goes on
	// as if the node were dead; it is less where answers usually come quickly. An
	// answer that comes later still counts. 0 means 2 s.
	Patience time.Duration
	// MaxTime ends a lookup with what it has. 0 means one minute.
	MaxTime time.Duration
	// MaxRequests is the most requests of one lookup. 0 means 256.
	MaxRequests int
}

// TableConfig is whom this node remembers.
type TableConfig struct {
	// BucketSize is the most contacts in a bucket outside the nearest subtree. It
	// may exceed K, for fewer hops. 0 means K.
	BucketSize int
	// Spares is the size of a bucket's replacement cache. 0 means 8.
	Spares int
	// Refresh is the longest time that a bucket of the nearest subtree goes without
	// a lookup in it, and a contact without a sign of life. 0 means 30 minutes; a negative one turns
	// all upkeep off, for networks that do not change.
	Refresh time.Duration
	// PingAfter is how long the oldest contact of a full bucket may have been
	// silent before a newcomer has it pinged. 0 means 15 minutes.
	PingAfter time.Duration
	// PerGroup and PerGroupDepth are the most contacts with public addresses in
	// one block (/16 in IPv4, /32 in IPv6) in the table, and at one depth of it.
	// 0 means 3 and 2, a negative PerGroup lifts both.
	PerGroup, PerGroupDepth int
	// Checks is the most newcomers that are being checked at a time. 0 means 16.
	Checks int
	// PublicOnly keeps nodes without a public address out of the table.
	PublicOnly bool
	// Addressless accepts contacts without any address: the transport finds peers
	// by ID alone. For simulators.
	Addressless bool
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
	// ValueRepublish is the interval at which holders store a value anew unless
	// they saw someone do it. 0 means one hour.
	ValueRepublish time.Duration
	// MaxKeys is the most keys with provider records. 0 means 65,536.
	MaxKeys int
	// MaxProviders is the most providers of one key. 0 means 128.
	MaxProviders int
	// MaxPerPeer is the most keys of one provider. 0 means MaxKeys/4.
	MaxPerPeer int
	// MaxValues is the most values. 0 means 4,096.
	MaxValues int
	// Validator judges values. nil accepts public keys ([record.PublicKeys]) and
	// nothing else.
	Validator record.Validator
}

// LimitConfig bounds what others and the local user can make this node do.
type LimitConfig struct {
	// PerPeer is the number of requests a second that one peer may send for
	// long, Burst how many at once. 0 means 200 and 1,000; a negative PerPeer
	// lifts the limit.
	PerPeer float64
	Burst   int
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

func orDefault[T int | time.Duration | float64](v *T, def T) {
	if *v == 0 {
		*v = def
	}
}

// WithDefaults is the configuration with its default in the place of every zero.
func (c Config) WithDefaults() Config {
	orDefault(&c.K, 20)
	l := &c.Lookup
	orDefault(&l.Alpha, 10)
	orDefault(&l.Beta, 3)
	orDefault(&l.Paths, 1)
	orDefault(&l.Quorum, l.Beta)
	orDefault(&l.RequestTimeout, 10*time.Second)
	orDefault(&l.Patience, 2*time.Second)
	orDefault(&l.MaxTime, time.Minute)
	orDefault(&l.MaxRequests, 256)
	t := &c.Table
	orDefault(&t.BucketSize, c.K)
	orDefault(&t.Spares, 8)
	orDefault(&t.Refresh, 30*time.Minute)
	orDefault(&t.PingAfter, 15*time.Minute)
	orDefault(&t.PerGroup, 3)
	orDefault(&t.PerGroupDepth, 2)
	orDefault(&t.Checks, 16)
	r := &c.Records
	orDefault(&r.ProviderTTL, 48*time.Hour)
	orDefault(&r.Reprovide, 22*time.Hour)
	orDefault(&r.ValueTTL, 48*time.Hour)
	orDefault(&r.ValueRepublish, time.Hour)
	orDefault(&r.MaxKeys, 1<<16)
	orDefault(&r.MaxProviders, 128)
	orDefault(&r.MaxPerPeer, max(1, r.MaxKeys/4))
	orDefault(&r.MaxValues, 1<<12)
	if r.Validator == nil {
		r.Validator = record.PublicKeys{}
	}
	m := &c.Limits
	orDefault(&m.PerPeer, 200)
	orDefault(&m.Burst, 1000)
	orDefault(&m.Operations, 1024)
	orDefault(&m.Background, 4)
	orDefault(&m.SendsPerSecond, 100)
	return c
}

// Validate reports the first field that cannot be used.
func (c Config) Validate() error {
	switch {
	case c.Self.Peer == "":
		return errors.New("kademlia: Self has no peer ID")
	case c.Rand == nil:
		return errors.New("kademlia: Rand is missing")
	}
	c = c.WithDefaults()
	for _, f := range []struct {
		name       string
		value, min int
		max        int
	}{
		{"K", c.K, 1, MaxCloser},
		{"Lookup.Alpha", c.Lookup.Alpha, 1, 1 << 10},
		{"Lookup.Beta", c.Lookup.Beta, 1, c.K},
		{"Lookup.Paths", c.Lookup.Paths, 1, 64},
		{"Lookup.MaxRequests", c.Lookup.MaxRequests, 1, 1 << 16},
		{"Table.BucketSize", c.Table.BucketSize, c.K, 1 << 12},
		{"Table.Spares", c.Table.Spares, 1, 1 << 12},
		{"Table.PerGroupDepth", c.Table.PerGroupDepth, 1, 1 << 12},
		{"Table.Checks", c.Table.Checks, 1, 1 << 12},
		{"Records.MaxKeys", c.Records.MaxKeys, 1, 1 << 30},
		{"Records.MaxProviders", c.Records.MaxProviders, 1, 1 << 20},
		{"Records.MaxPerPeer", c.Records.MaxPerPeer, 1, 1 << 30},
		{"Records.MaxValues", c.Records.MaxValues, 1, 1 << 30},
		{"Limits.Burst", c.Limits.Burst, 1, 1 << 30},
		{"Limits.Operations", c.Limits.Operations, 1, 1 << 20},
		{"Limits.Background", c.Limits.Background, 1, 1 << 10},
		{"Limits.SendsPerSecond", c.Limits.SendsPerSecond, 1, 1 << 20},
	} {
		if f.value < f.min || f.value > f.max {
			return fmt.Errorf("kademlia: %s is %d, must be %d to %d", f.name, f.value, f.min, f.max)
		}
	}
	for _, f := range []struct {
		name  string
		value time.Duration
	}{
		{"Lookup.RequestTimeout", c.Lookup.RequestTimeout},
		{"Lookup.Patience", c.Lookup.Patience},
		{"Lookup.MaxTime", c.Lookup.MaxTime},
		{"Table.PingAfter", c.Table.PingAfter},
		{"Records.ProviderTTL", c.Records.ProviderTTL},
		{"Records.Reprovide", c.Records.Reprovide},
		{"Records.ValueTTL", c.Records.ValueTTL},
		{"Records.ValueRepublish", c.Records.ValueRepublish},
	} {
		if f.value < time.Millisecond {
			return fmt.Errorf("kademlia: %s is %v, must be at least 1ms", f.name, f.value)
		}
	}
	if r := c.Table.Refresh; r >= 0 && r < time.Second {
		return fmt.Errorf("kademlia: Table.Refresh is %v, must be at least 1s, or negative", r)
	}
	return nil
}
