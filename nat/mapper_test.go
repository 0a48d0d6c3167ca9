package nat

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	basichost "github.com/libp2p/go-libp2p/p2p/host/basic"
	ma "github.com/multiformats/go-multiaddr"
)

// search is a NAT manager that finds a router or not.
type search struct {
	found  bool
	at     ma.Multiaddr
	closed bool
}

func (s *search) GetMapping(ma.Multiaddr) ma.Multiaddr { return s.at }
func (s *search) HasDiscoveredNAT() bool               { return s.found }
func (s *search) Close() error                         { s.closed = true; return nil }

func TestRoaming(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		listen := ma.StringCast("/ip4/192.168.1.7/tcp/4779")
		var mu sync.Mutex // holds what the test and the search share
		place, found := "home", false
		move := func(to string, router bool) {
			mu.Lock()
			defer mu.Unlock()
			place, found = to, router
		}
		var searches []*search
		r := newRoaming(func() basichost.NATManager {
			mu.Lock()
			defer mu.Unlock()
			for _, s := range searches {
				if !s.closed {
					t.Error("a new search while another one goes on")
				}
			}
			s := &search{found: found}
			if found {
				s.at = ma.StringCast("/ip4/1.2.3.4/tcp/4779")
			}
			searches = append(searches, s)
			return s
		}, func() string {
			mu.Lock()
			defer mu.Unlock()
			return place
		})
		expect := func(what string, n int, mapped bool) {
			t.Helper()
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			if len(searches) != n || r.HasDiscoveredNAT() != mapped || (r.GetMapping(listen) != nil) != mapped {
				t.Fatalf("%s: %d searches, found %v; want %d, %v", what, len(searches), r.HasDiscoveredNAT(), n, mapped)
			}
		}
		expect("at the start", 1, false)
		time.Sleep(roamRetry / 2)
		expect("nothing has changed", 1, false)
		move("home", true)
		time.Sleep(roamRetry/2 + roamCheck)
		expect("the router was switched on", 2, true)
		time.Sleep(10 * roamRetry)
		expect("what was found is kept", 2, true)
		move("café", false)
		time.Sleep(roamCheck + 1)
		expect("elsewhere", 3, false)
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		_ = r.Close()
		for i, s := range searches {
			if !s.closed {
				t.Errorf("search %d goes on", i)
			}
		}
		expect("closed", 3, false)
	})
}

func TestInterfaceMark(t *testing.T) {
	if a, b := interfaceMark(), interfaceMark(); a != b || a == "" {
		t.Errorf("%q, then %q", a, b)
	}
}
