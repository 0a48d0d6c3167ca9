package kaddht

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	dht "github.com/libp2p/go-libp2p-kad-dht"
	"github.com/libp2p/go-libp2p/core/peer"

	"ringswap/overlay"
)

const (
	nodes   = 120
	lookups = 150
	copies  = 20
)

// result is what a run of lookups came to.
type result struct {
	requests float64 // mean requests of a lookup
	exact    int     // lookups that found the K nearest nodes, all of them
	of       int
	took     time.Duration // mean
}

func (r result) String() string {
	return fmt.Sprintf("%5.2f requests a lookup, the exact %d nodes in %d of %d lookups, %.1f ms",
		r.requests, copies, r.exact, r.of, float64(r.took.Microseconds())/1000)
}

// TestLookupRequests compares the two implementations on the same 120
// identities, the same keys and the same askers: ours must find the same 20
// nodes with fewer requests.
func TestLookupRequests(t *testing.T) {
	if testing.Short() {
		t.Skip("starts 120 hosts twice: left out by -short")
	}
	var them, us result
	t.Run("go-libp2p-kad-dht", func(t *testing.T) { them = theirLookups(t) })
	t.Run("ringswap", func(t *testing.T) { us = ourLookups(t) })
	t.Logf("go-libp2p-kad-dht v0.42.2: %v", them)
	t.Logf("ringswap:                  %v", us)
	if us.requests >= them.requests {
		t.Errorf("ours needs %.2f requests, theirs %.2f", us.requests, them.requests)
	}
	if us.exact < us.of {
		t.Errorf("ours found the exact %d nodes in %d of %d lookups only", copies, us.exact, us.of)
	}
}

// plan is the i-th lookup: who asks, and for what.
func plan(i int) (asker int, key []byte) {
	rng := rand.New(rand.NewPCG(uint64(i), 2))
	return rng.IntN(nodes), fmt.Appendf(nil, "lookup %d %d", i, rng.Uint64())
}

// oracle are the nodes nearest to the key, without the asker, as a set.
func oracle(t *testing.T, asker int, key []byte) map[peer.ID]bool {
	t.Helper()
	var all []overlay.Contact
	for i := range nodes {
		if i == asker {
			continue
		}
		id, err := peer.IDFromPublicKey(identity(t, i).GetPublic())
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, overlay.NewContact(id))
	}
	target := overlay.RawKey(key).ID()
	slices.SortFunc(all, func(a, b overlay.Contact) int { return a.ID.Xor(target).Compare(b.ID.Xor(target)) })
	set := make(map[peer.ID]bool)
	for _, c := range all[:copies] {
		set[c.Peer] = true
	}
	return set
}

func same(set map[peer.ID]bool, list []peer.ID) bool {
	for _, p := range list {
		if !set[p] {
			return false
		}
	}
	return len(list) == len(set)
}

func theirLookups(t *testing.T) result {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	seen := new(requestsSeen)
	var net []*theirs
	for i := range nodes {
		n := newTheirs(t, i, dht.ModeServer, seen, dht.DisableAutoRefresh())
		for range min(i, 3) {
			if err := n.host.Connect(ctx, net[rand.IntN(i)].info()); err != nil {
				t.Fatal(err)
			}
		}
		net = append(net, n)
	}
	// Their tables fill from lookups: of everyone's own place, and of random keys.
	for range 2 {
		for i, n := range net {
			if _, err := n.GetClosestPeers(ctx, string(n.host.ID())); err != nil {
				t.Fatal(err)
			}
			if _, err := n.GetClosestPeers(ctx, fmt.Sprint("warm up ", i, rand.Uint64())); err != nil {
				t.Fatal(err)
			}
		}
	}
	quiet(t, seen)
	r := result{of: lookups}
	for i := range lookups {
		asker, key := plan(i)
		target := string(key)
		seen.key.Store(&target)
		start := time.Now()
		list, err := net[asker].GetClosestPeers(ctx, target)
		if err != nil {
			t.Fatal(err)
		}
		r.took += time.Since(start) / lookups
		if same(oracle(t, asker, key), list) {
			r.exact++
		}
	}
	r.requests = float64(seen.ofKey.Load()) / lookups
	return r
}

// quiet waits until no requests have arrived for half a second.
func quiet(t *testing.T, seen *requestsSeen) {
	t.Helper()
	last, since := int64(-1), time.Now()
	eventually(t, "their network is quiet", func() bool {
		if n := seen.all.Load(); n != last {
			last, since = n, time.Now()
		}
		return time.Since(since) > 500*time.Millisecond
	})
}

func ourLookups(t *testing.T) result {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	var net []*ours
	for i := range nodes {
		n := newOurs(t, i, false)
		if i > 0 {
			n.join(t, net[rand.IntN(i)].info())
			eventually(t, "a node has found its neighbours", func() bool { return n.view(t).Contacts >= min(i, copies) })
		}
		net = append(net, n)
	}
	// They are at rest when nobody has sent anything for half a second.
	last, since := uint64(0), time.Now()
	sent := func() (sum uint64) {
		for _, n := range net {
			sum += n.view(t).Asked
		}
		return sum
	}
	eventually(t, "our network is quiet", func() bool {
		if n := sent(); n != last {
			last, since = n, time.Now()
		}
		return time.Since(since) > 500*time.Millisecond
	})
	r := result{of: lookups}
	for i := range lookups {
		asker, key := plan(i)
		start := time.Now()
		path, err := net[asker].Closest(ctx, overlay.RawKey(key), copies+1)
		if err != nil {
			t.Fatal(err)
		}
		r.took += time.Since(start) / lookups
		r.requests += float64(path.RPCs()) / lookups
		var list []peer.ID
		for _, c := range path.Closest {
			if c.Peer != net[asker].host.ID() && len(list) < copies {
				list = append(list, c.Peer)
			}
		}
		if same(oracle(t, asker, key), list) {
			r.exact++
		}
	}
	t.Logf("%d requests in all to build the network, %.0f a node", last, float64(last)/nodes)
	return r
}
