package link

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/ipfs/go-cid"
	ma "github.com/multiformats/go-multiaddr"
	"github.com/multiformats/go-multibase"
)

const (
	root = "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"
	v0   = "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWKPbdG"
	one  = "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA"
	two  = "QmNnooDu7bfjPFoTZYxMNLWUQJyrVwtbZg5gBMjTezGAJN"
)

func TestParse(t *testing.T) {
	at1, at2 := "/ip4/192.0.2.1/tcp/4001/p2p/"+one, "/ip6/2001:db8::1/udp/4001/quic-v1/p2p/"+one
	relay := "/dns4/relay.example/tcp/443/p2p/" + two + "/p2p-circuit/p2p/" + one
	for s, want := range map[string]Link{
		root:                                     {Cid: cid.MustParse(root)},
		v0:                                       {Cid: cid.MustParse(v0)},
		" " + root + "\n":                        {Cid: cid.MustParse(root)},
		"/ipfs/" + root:                          {Cid: cid.MustParse(root)},
		"ipfs://" + root:                         {Cid: cid.MustParse(root)},
		"IPFS://" + root + "/":                   {Cid: cid.MustParse(root)},
		"peer:" + root:                           {Cid: cid.MustParse(root)},
		root + "/a b/c%20?d/":                    {Cid: cid.MustParse(root), Path: "a b/c%20?d"},
		"/ipfs/" + root + "/x":                   {Cid: cid.MustParse(root), Path: "x"},
		"ipfs://" + root + "/a%20b/%3f":          {Cid: cid.MustParse(root), Path: "a b/?"},
		"peer:" + root + "/a%2fb%3f/c?name=n":    {Cid: cid.MustParse(root), Path: "a/b?/c", Name: "n"},
		"Peer:" + v0:                             {Cid: cid.MustParse(v0)},
		"peer:" + root + "?name=a%20b%26c%3Dd+e": {Cid: cid.MustParse(root), Name: "a b&c=d+e"},
		"peer:" + root + "?at=" + at1 + "&name=x&at=" + at2 + "&tracker=https://t.example/a&tracker=" + at1: {
			Cid: cid.MustParse(root), Name: "x", At: addrs(at1, at2), Trackers: []string{"https://t.example/a", at1},
		},
		"peer:" + root + "?at=" + strings.ReplaceAll(relay, "/", "%2f"): {Cid: cid.MustParse(root), At: addrs(relay)},
	} {
		got, err := Parse(s)
		if err != nil {
			t.Errorf("%s: %v", s, err)
			continue
		}
		if !same(got, want) {
			t.Errorf("%s: %+v", s, got)
		}
		again, err := Parse(got.String())
		if err != nil || !same(again, got) || len(got.String()) > MaxBytes {
			t.Errorf("%s: comes back as %s (%v)", s, again, err)
		}
	}
}

func TestParseAnyBase(t *testing.T) {
	c := cid.MustParse(root)
	for _, base := range []multibase.Encoding{multibase.Base16, multibase.Base16Upper, multibase.Base32, multibase.Base32Upper, multibase.Base36, multibase.Base58BTC, multibase.Base64url} {
		s, err := c.StringOfBase(base)
		if err != nil {
			t.Fatal(err)
		}
		for _, prefix := range []string{"", "peer:", "ipfs://"} {
			if l, err := Parse(prefix + s); err != nil || !l.Cid.Equals(c) {
				t.Errorf("%s%s: %v (%v)", prefix, s, l, err)
			}
		}
	}
}

func addrs(list ...string) (out []ma.Multiaddr) {
	for _, s := range list {
		out = append(out, ma.StringCast(s))
	}
	return out
}

func same(a, b Link) bool {
	if !a.Cid.Equals(b.Cid) || a.Name != b.Name || a.Path != b.Path || len(a.At) != len(b.At) || len(a.Trackers) != len(b.Trackers) {
		return false
	}
	for i := range a.At {
		if !a.At[i].Equal(b.At[i]) {
			return false
		}
	}
	for i := range a.Trackers {
		if a.Trackers[i] != b.Trackers[i] {
			return false
		}
	}
	return true
}

func TestParseErrors(t *testing.T) {
	at := "/ip4/192.0.2.1/tcp/4001/p2p/" + one
	for _, s := range []string{
		"", " ", "peer:", "peer:?name=x", "ipfs://", "/ipfs/", "hello", "peer:hello", root[1:], root + "x", root + "?name=x",
		"peer://" + root, "http://" + root, root + "//a", root + "/a//b", root + "/../x", "ipfs://" + root + "/a/%2e%2e", "/ipfs/" + root + "/.", "peer:" + root + "/a%00", root + "/" + strings.Repeat("x/", 4000), "/ipns/" + root, "ipfs://" + root + "?x=y",
		"peer:" + root + "?", "peer:" + root + "?name", "peer:" + root + "?name=", "peer:" + root + "?=x", "peer:" + root + "?name=x&",
		"peer:" + root + "?name=x&name=y", "peer:" + root + "?Name=x", "peer:" + root + "?color=red", "peer:" + root + "?name=%zz", "peer:" + root + "?name=%4",
		"peer:" + root + "?name=a%00b", "peer:" + root + "?name=a%0Ab", "peer:" + root + "?name=%1b%5b31m", "peer:" + root + "?name=%ff%fe",
		"peer:" + root + "?name=" + strings.Repeat("x", MaxName+1), "peer:" + root + "?name=" + strings.Repeat("x", MaxBytes),
		"peer:" + root + "?at=x", "peer:" + root + "?at=", "peer:" + root + "?at=/ip4/192.0.2.1/tcp/4001", "peer:" + root + "?at=/p2p/x",
		"peer:" + root + strings.Replace(strings.Repeat("&at="+at, MaxAt+1), "&", "?", 1),
		"peer:" + root + "?tracker=x", "peer:" + root + "?tracker=", "peer:" + root + "?tracker=ftp://x", "peer:" + root + "?tracker=http://", "peer:" + root + "?tracker=http://u:p@h/",
		"peer:" + root + "?tracker=/ip4/192.0.2.1/tcp/1", "peer:" + root + "?tracker=javascript:x",
		"peer:" + root + strings.Replace(strings.Repeat("&tracker=http://x", MaxTrackers+1), "&", "?", 1),
		"f" + strings.Repeat("00", 300), strings.Repeat("1", MaxBytes),
	} {
		if l, err := Parse(s); !errors.Is(err, ErrSyntax) {
			t.Errorf("%.200s: %v, %v", s, l, err)
		}
	}
}

func TestFitAndPeers(t *testing.T) {
	l := Link{Cid: cid.MustParse(root), Name: strings.Repeat("é", 127)}
	for range 100 {
		l.At = append(l.At, addrs("/dns4/"+strings.Repeat("x", 60)+".example/tcp/4001/p2p/"+two+"/p2p-circuit/p2p/"+one, "/ip4/192.0.2.7/tcp/1/p2p/"+two)...)
		l.Trackers = append(l.Trackers, "https://"+strings.Repeat("y", 200)+".example/announce")
	}
	fit := l.Fit()
	got, err := Parse(fit.String())
	if err != nil || !same(got, fit) || len(got.At) < 10 || len(got.Trackers) != MaxTrackers || got.Name != l.Name {
		t.Errorf("%d bytes: %v (%v)", len(fit.String()), got, err)
	}
	peers := fit.Peers()
	if len(peers) != 2 || peers[0].ID.String() != one || len(peers[0].Addrs)+len(peers[1].Addrs) != len(fit.At) {
		t.Errorf("peers %v", peers)
	}
	if fit = (Link{Cid: l.Cid, Name: "a\nb"}).Fit(); fit.Name != "" {
		t.Errorf("name %q", fit.Name)
	}
	if err := (Link{}).Validate(); err == nil {
		t.Error("no CID")
	}
}

// TestRoundTrip writes links of any names.
func TestRoundTrip(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for range 2000 {
		l := Link{Cid: cid.MustParse(root)}
		for range r.IntN(20) {
			l.Name += string(rune(r.IntN(0x3000)))
		}
		if l.Validate() != nil {
			continue
		}
		if got, err := Parse(l.String()); err != nil || !same(got, l) {
			t.Fatalf("%q: %q (%v)", l.Name, got.Name, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	at := "/ip4/192.0.2.1/tcp/4001/p2p/" + one
	for _, s := range []string{
		root, v0, root + "/a/b c", "peer:" + root + "/a%25", "ipfs://" + root, "/ipfs/" + root + "/", "peer:" + root, "peer:" + root + "?name=a%20b&at=" + at + "&tracker=https://t.example",
		"peer:" + v0 + "?at=%2Fp2p%2F" + one, "peer:" + root + "?tracker=" + at, "peer:?", "peer:" + root + "?name=%e2%80%ae",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		l, err := Parse(s)
		if err != nil {
			if !errors.Is(err, ErrSyntax) {
				t.Fatal(err)
			}
			return
		}
		if err := l.Validate(); err != nil {
			t.Fatalf("%q was accepted: %v", s, err)
		}
		again, err := Parse(l.Fit().String())
		if err != nil || !same(again, l.Fit()) {
			t.Fatalf("%q comes back as %q (%v)", s, again, err)
		}
		l.Peers()
	})
}
