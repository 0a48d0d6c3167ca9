package kaddht

import (
	"context"
	"testing"
	"time"

	dht "github.com/libp2p/go-libp2p-kad-dht"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/routing"

	"ringswap/overlay"
)

// TestTheyJoinOurs: a node of theirs bootstraps from one of ours, and each finds
// what the other has, though all others are ours.
func TestTheyJoinOurs(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var net []*ours
	for i := range 8 {
		n := newOurs(t, i, false)
		if i > 0 {
			n.join(t, net[0].info())
		}
		net = append(net, n)
	}
	eventually(t, "our nodes know each other", func() bool {
		for _, n := range net {
			if n.view(t).Contacts < len(net)-1 {
				return false
			}
		}
		return true
	})
	them := newTheirs(t, 100, dht.ModeServer, nil, dht.BootstrapPeers(net[0].info()))
	if err := them.Bootstrap(ctx); err != nil {
		t.Fatal(err)
	}
	eventually(t, "their table holds all of ours", func() bool { return them.RoutingTable().Size() == len(net) })
	eventually(t, "our tables hold theirs", func() bool {
		for _, n := range net {
			if n.view(t).Contacts < len(net) {
				return false
			}
		}
		return true
	})
	bothWays(t, ctx, net[3], net[6], them)
}

// TestWeJoinTheirs: a node of ours bootstraps from one of theirs, all others
// being theirs too.
func TestWeJoinTheirs(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var net []*theirs
	for i := range 8 {
		n := newTheirs(t, i, dht.ModeServer, nil)
		if i > 0 {
			if err := n.host.Connect(ctx, net[0].info()); err != nil {
				t.Fatal(err)
			}
		}
		net = append(net, n)
	}
	for _, n := range net {
		eventually(t, "their nodes know each other", func() bool {
			<-n.RefreshRoutingTable()
			return n.RoutingTable().Size() == len(net)-1
		})
	}
	us, other := newOurs(t, 100, false), newOurs(t, 101, false)
	us.join(t, net[0].info())
	other.join(t, net[1].info())
	eventually(t, "our tables hold theirs and each other", func() bool {
		return us.view(t).Contacts == len(net)+1 && other.view(t).Contacts == len(net)+1
	})
	eventually(t, "their tables hold ours", func() bool {
		for _, n := range net {
			if n.RoutingTable().Size() < len(net)+1 {
				return false
			}
		}
		return true
	})
	bothWays(t, ctx, us, other, net[5])
}

// bothWays lets two nodes of ours and one of theirs provide, store and find.
func bothWays(t *testing.T, ctx context.Context, us, other *ours, them *theirs) {
	t.Helper()
	t.Run("nodes", func(t *testing.T) {
		key := content(t, 1)
		path, err := us.Closest(ctx, overlay.ContentKey(key), 0)
		if err != nil {
			t.Fatal(err)
		}
		list, err := them.GetClosestPeers(ctx, string(key.Hash()))
		if err != nil {
			t.Fatal(err)
		}
		want := make(map[peer.ID]bool)
		for _, c := range path.Closest {
			want[c.Peer] = true
		}
		delete(want, them.host.ID()) // they leave themselves out
		for _, p := range list {
			if !want[p] {
				t.Errorf("they found %s, we did not", p)
			}
			delete(want, p)
		}
		if len(want) > 0 {
			t.Errorf("they missed %d of those we found", len(want))
		}
	})
	t.Run("we provide", func(t *testing.T) {
		key := content(t, 2)
		if n, err := us.Provide(ctx, key); err != nil || n == 0 {
			t.Fatalf("stored at %d, %v", n, err)
		}
		found := make(map[peer.ID]bool)
		eventually(t, "they find what we provide", func() bool {
			for p := range them.FindProvidersAsync(ctx, key, 0) {
				found[p.ID] = true
			}
			return found[us.host.ID()]
		})
	})
	t.Run("they provide", func(t *testing.T) {
		key := content(t, 3)
		if err := them.Provide(ctx, key, true); err != nil {
			t.Fatal(err)
		}
		eventually(t, "we find what they provide, with an address", func() bool {
			for p, err := range us.Providers(ctx, key) {
				if err == nil && p.ID == them.host.ID() && len(p.Addrs) > 0 {
					return true
				}
			}
			return false
		})
	})
	t.Run("they find our peer", func(t *testing.T) {
		info, err := them.FindPeer(ctx, other.host.ID())
		if err != nil || len(info.Addrs) == 0 {
			t.Errorf("found %v, %v", info, err)
		}
	})
	t.Run("we find their peer", func(t *testing.T) {
		path, err := us.Closest(ctx, overlay.PeerKey(them.host.ID()), 1)
		if err != nil || len(path.Closest) != 1 || path.Closest[0].Peer != them.host.ID() {
			t.Errorf("found %v, %v", path.Closest, err)
		}
	})
	t.Run("our value", func(t *testing.T) {
		id, value := publicKey(t, 500)
		key := routing.KeyForPublicKey(id)
		if n, err := us.PutValue(ctx, overlay.RawKey([]byte(key)), value); err != nil || n == 0 {
			t.Fatalf("stored at %d, %v", n, err)
		}
		got, err := them.GetValue(ctx, key)
		if err != nil || string(got) != string(value) {
			t.Errorf("they got %x, %v", got, err)
		}
	})
	t.Run("their value", func(t *testing.T) {
		id, value := publicKey(t, 501)
		key := routing.KeyForPublicKey(id)
		if err := them.PutValue(ctx, key, value); err != nil {
			t.Fatal(err)
		}
		got, err := us.GetValue(ctx, overlay.RawKey([]byte(key)))
		if err != nil || string(got) != string(value) {
			t.Errorf("we got %x, %v", got, err)
		}
	})
	t.Run("ping", func(t *testing.T) {
		if err := them.Ping(ctx, us.host.ID()); err != nil {
			t.Error(err)
		}
	})
}

func publicKey(t *testing.T, i int) (peer.ID, []byte) {
	t.Helper()
	pub := identity(t, i).GetPublic()
	id, err := peer.IDFromPublicKey(pub)
	if err != nil {
		t.Fatal(err)
	}
	value, err := crypto.MarshalPublicKey(pub)
	if err != nil {
		t.Fatal(err)
	}
	return id, value
}

// TestClients: a node that only asks gets everything from servers of the other
// make, and stays out of their tables.
func TestClients(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	us, them := newOurs(t, 0, false), newTheirs(t, 1, dht.ModeServer, nil)
	us.join(t, them.info())
	eventually(t, "the two servers know each other", func() bool {
		return us.view(t).Contacts == 1 && them.RoutingTable().Size() == 1
	})
	ourClient, theirClient := newOurs(t, 2, true), newTheirs(t, 3, dht.ModeClient, nil)
	ourClient.join(t, them.info())
	if err := theirClient.host.Connect(ctx, us.info()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the clients know the servers", func() bool {
		return ourClient.view(t).Contacts == 2 && theirClient.RoutingTable().Size() >= 1
	})
	key := content(t, 10)
	if _, err := ourClient.Provide(ctx, key); err != nil {
		t.Fatal(err)
	}
	if err := theirClient.Provide(ctx, key, true); err != nil {
		t.Fatal(err)
	}
	eventually(t, "each client finds both", func() bool {
		found := make(map[peer.ID]int)
		for p, err := range ourClient.Providers(ctx, key) {
			if err == nil {
				found[p.ID]++
			}
		}
		for p := range theirClient.FindProvidersAsync(ctx, key, 0) {
			found[p.ID]++
		}
		return found[ourClient.host.ID()] == 2 && found[theirClient.host.ID()] == 2
	})
	if n := us.view(t).Contacts; n != 1 {
		t.Errorf("our server has %d contacts: a client is among them", n)
	}
	if n := them.RoutingTable().Size(); n != 1 {
		t.Errorf("their server has %d contacts: a client is among them", n)
	}
}
