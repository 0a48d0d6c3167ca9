package main

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"iter"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"ringswap/internal/api"
	"ringswap/internal/node"
)

// fakeNode is a node of these tests: it answers with fixed values, or as a test
// scripts it. That real ones work together is tested elsewhere.
type fakeNode struct {
	share    func(context.Context, node.ShareRequest, func(node.Progress)) (node.Shared, error)
	get      func(context.Context, node.GetRequest, func(node.Progress)) (node.Got, error)
	activity func(context.Context) iter.Seq2[node.Activity, error]
	swarm    func(node.SwarmRequest) (node.Swarm, error)
	verified []node.Verified
	empty    bool   // there is nothing to list
	overlay  string // of Ring; empty is Kademlia

	mu       sync.Mutex
	cfg      node.Config
	closed   bool
	settings node.Settings
}

func (f *fakeNode) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	return nil
}

func (f *fakeNode) isClosed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.closed
}

func seq[T any](f *fakeNode, items ...T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		if f.empty {
			return
		}
		for _, it := range items {
			if !yield(it, nil) {
				return
			}
		}
	}
}

var fakeIdentity = node.Identity{
	ID: "12D3KooWSelf", Overlay: "kademlia", Network: "test", Version: "1",
	Addrs: []string{"/ip4/127.0.0.1/tcp/4001/p2p/12D3KooWSelf", "/ip4/127.0.0.1/udp/4001/quic-v1/p2p/12D3KooWSelf"},
}

func (f *fakeNode) Identity(context.Context) (node.Identity, error) { return fakeIdentity, nil }

func (f *fakeNode) Status(context.Context) (node.Status, error) {
	return node.Status{
		Identity: fakeIdentity, UptimeSeconds: 3723, Peers: 12, TablePeers: 9, OverlayServer: true,
		Reachability: "private", Why: []string{"AutoNAT: no address could be dialled back"},
		Shares: 3, SharedBytes: 5 << 30, OwnedBytes: 1 << 20, Transfers: 1, Waiting: 2, Settings: node.Settings{LimitUp: 1 << 20}, BytesIn: 1 << 31, BytesOut: 7 << 20, RateIn: 1e6, RateOut: 2048,
		Repo: "/home/me/.local/share/ringswap", Notices: []string{"the disk is nearly full\x1b[31m"},
	}, nil
}

func (f *fakeNode) Connections(context.Context) ([]node.Connection, error) {
	if f.empty {
		return nil, nil
	}
	return []node.Connection{
		{ID: "12D3KooWAlice", Direction: "outbound", Path: "direct", Transport: "tcp", Seconds: 61.5, RTT: 12.34, Streams: 2, Overlay: true, LAN: true, Agent: "ringswap/1"},
		{ID: "12D3KooWBob", Direction: "inbound", Path: "relay", Transport: "quic-v1", Seconds: 0.5},
	}, nil
}

func (f *fakeNode) Share(ctx context.Context, req node.ShareRequest, p func(node.Progress)) (node.Shared, error) {
	if f.share != nil {
		return f.share(ctx, req, p)
	}
	return node.Shared{
		Cid: "bafyshared", Link: "peer:bafyshared?name=x&at=%2Fip4", Name: filepath.Base(req.Path), Size: 3 << 20, Chunks: 3, Announced: 20,
	}, nil
}

func (f *fakeNode) Get(ctx context.Context, req node.GetRequest, p func(node.Progress)) (node.Got, error) {
	if f.get != nil {
		return f.get(ctx, req, p)
	}
	return node.Got{
		Cid: req.Ref, Path: "/tmp/movie.mkv", Size: 300 << 20, Seconds: 2.5, Resumed: 50 << 20,
		Peers: []node.GotPeer{{ID: "12D3KooWAlice", Bytes: 200 << 20, Path: "direct"}, {ID: "12D3KooWBob", Bytes: 50 << 20, Path: "relay"}},
	}, nil
}

func (f *fakeNode) Cat(_ context.Context, req node.CatRequest, w io.Writer) error {
	b := []byte("the quick brown fox")[req.Offset:]
	if req.Length >= 0 {
		b = b[:req.Length]
	}
	_, err := w.Write(b)
	return err
}

func (f *fakeNode) Enqueue(_ context.Context, req node.GetRequest) (node.Transfer, error) {
	return node.Transfer{Cid: req.Ref, Name: req.Ref, Path: "/home/me/" + req.Ref, State: "queued", Queued: true}, nil
}

var fakeTransfers = []node.Transfer{
	{Cid: "bafyone", Name: "movie.mkv", Path: "/home/me/movie.mkv", State: "fetching", Done: 1 << 20, Size: 3 << 20, Peers: 2, RateIn: 1e6, LimitDown: 2e6},
	{Cid: "bafytwo", Name: "evil\x1b[2J", Path: "/home/me/e", State: "waiting", Why: "no provider of bafytwo was found", Try: "peer providers bafytwo", Again: 61, Queued: true},
	{Cid: "bafythree", Name: "a", Path: "/home/me/a", State: "failed", Why: "the disk is full", Try: "free some space", Queued: true},
	{Cid: "bafyfour", Name: "b", Path: "/home/me/b", State: "resting", Done: 1 << 30, Size: 1 << 30, Sent: 3 << 29, Ratio: 1.5, Seconds: 400000, Goal: node.Goal{Ratio: 1.5, Seconds: 7 * 86400}},
}

func (f *fakeNode) Transfers(context.Context) iter.Seq2[node.Transfer, error] {
	return seq(f, fakeTransfers...)
}

func (f *fakeNode) Control(_ context.Context, req node.ControlRequest) ([]node.Transfer, error) {
	if f.empty {
		return nil, nil
	}
	t := fakeTransfers[0]
	if req.Action == node.ActionPause {
		t.State = "paused"
	}
	if req.Change.LimitDown != nil {
		t.LimitDown = *req.Change.LimitDown
	}
	return []node.Transfer{t}, nil
}

func (f *fakeNode) Settings(_ context.Context, c node.SettingsChange) (node.Settings, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.settings = c.To(f.settings)
	return f.settings, nil
}

func (f *fakeNode) Shares(context.Context) iter.Seq2[node.ShareInfo, error] {
	day := time.Date(2026, 1, 2, 3, 4, 5, 0, time.Local)
	return seq(f,
		node.ShareInfo{Cid: "bafyone", Name: "a", Path: "/home/me/a", Size: 1, Chunks: 1, Added: day},
		node.ShareInfo{Cid: "bafytwo", Name: "evil\n", Path: "/home/me/evil\n\x1b[2J", Size: 1 << 30, Chunks: 1024, Added: day, Pinned: true})
}

func (f *fakeNode) Entries(context.Context, string) iter.Seq2[node.Entry, error] {
	return seq(f,
		node.Entry{Type: "dir", Cid: "bafydir"},
		node.Entry{Path: "sub/ü.txt", Type: "file", Cid: "bafyfile", Size: 12345},
		node.Entry{Path: "link", Type: "symlink", Cid: "bafylink", Link: "sub/ü.txt"})
}

func (f *fakeNode) Unshare(_ context.Context, ref string) (node.ShareInfo, error) {
	return node.ShareInfo{Cid: ref, Path: "/home/me/a"}, nil
}

func (f *fakeNode) Pins(context.Context) iter.Seq2[node.Pin, error] {
	return seq(f, node.Pin{Cid: "bafyone"}, node.Pin{Cid: "bafytwo"})
}

func (f *fakeNode) Pin(_ context.Context, ref string, _ func(node.Progress)) (node.Pin, error) {
	return node.Pin{Cid: ref}, nil
}

func (f *fakeNode) Unpin(_ context.Context, ref string) (node.Pin, error) {
	return node.Pin{Cid: ref}, nil
}

func (f *fakeNode) GC(context.Context, func(node.Progress)) (node.Reclaimed, error) {
	return node.Reclaimed{Blocks: 1234, Bytes: 5 << 30}, nil
}

func (f *fakeNode) Verify(context.Context, func(node.Progress)) iter.Seq2[node.Verified, error] {
	return seq(f, f.verified...)
}

// fakePeer is a node of a fake ring.
func fakePeer(id, place string, distance, seen float64) node.RingPeer {
	return node.RingPeer{ID: id, Place: place, Addrs: []string{"/ip4/1.2.3.4/tcp/1"}, Distance: distance, Seen: &seen, RTT: 1.5}
}

func (f *fakeNode) Ring(context.Context) (node.Ring, error) {
	r := node.Ring{
		Overlay: cmp.Or(f.overlay, "kademlia"), Network: "test", ID: fakeIdentity.ID, Place: strings.Repeat("00", 32), Server: true,
		RTT: 2.25, Sent: 1000, Asked: 900, Kept: node.Kept{Provided: 1, Keys: 2, Records: 3},
	}
	alice, bob, carol := fakePeer("12D3KooWAliceAliceAlice", "01ff", 0.0078, 0.5), fakePeer("12D3KooWBob", "40", 0.25, 61), fakePeer("12D3KooWCarol", "f0", 0.0625, 3)
	carol.Silent, bob.RTT = 2, 0
	silent := carol
	silent.Seen = nil
	switch {
	case f.overlay == "chord" && f.empty:
	case f.overlay == "chord":
		r.Entries, r.Predecessor, r.Cached = 7, &carol, 17
		r.Successors = []node.RingPeer{alice, bob, fakePeer("12D3KooWDora", "41", 0.2539, 2), fakePeer("12D3KooWEve", "42", 0.2578, 2), fakePeer("12D3KooWFred", "43", 0.2617, 2)}
		for digit := 4; digit <= 7; digit++ {
			r.Fingers = append(r.Fingers, node.Finger{Digit: digit, From: float64(digit) / 16, RingPeer: fakePeer("12D3KooWGina", "70", 0.4375, 9)})
		}
		r.Fingers = append(r.Fingers, node.Finger{Row: 0, Digit: 12, From: 0.75, RingPeer: silent}, node.Finger{Row: 4, Digit: 1, From: 1.0 / 65536, RingPeer: alice})
	case f.empty:
		r.Buckets = []node.Bucket{{Room: 20}}
	default:
		looked := 600.0
		r.Entries, r.Buckets = 3, []node.Bucket{
			{Room: 20, Contacts: []node.RingPeer{carol, bob}, Spares: 4, Looked: &looked},
			{Depth: 1, Room: 80, Contacts: []node.RingPeer{alice}},
		}
	}
	return r, nil
}

func (f *fakeNode) Lookup(_ context.Context, req node.LookupRequest) (node.Lookup, error) {
	l := node.Lookup{
		Overlay: "chord", Key: "00ff", Hops: 2, RPCs: 3, MS: 12.25,
		Closest: []node.PeerAddrs{{ID: "12D3KooWAlice", Addrs: []string{"/ip4/1.2.3.4/tcp/1"}}, {ID: "12D3KooWBob"}},
	}
	if req.Trace {
		l.Trace = []node.LookupStep{
			{ID: "12D3KooWAliceAliceAlice", Hop: 1, Via: -1, Distance: 255, Share: 0.4375, MS: 3.5, Learned: 20},
			{ID: "12D3KooWBob", Hop: 2, Via: 0, Distance: 250, Share: 0.0098, Past: true, MS: 4, SentMS: 3.6, Error: "timeout"},
		}
	}
	return l, nil
}

func (f *fakeNode) Providers(context.Context, string) iter.Seq2[node.Provider, error] {
	return seq(f,
		node.Provider{ID: "12D3KooWAlice", Addrs: []string{"/ip4/1.2.3.4/tcp/1", "/ip6/::1/tcp/1"}, Source: "overlay"},
		node.Provider{ID: "12D3KooWSelf", Source: "self"})
}

func (f *fakeNode) Swarm(_ context.Context, req node.SwarmRequest) (node.Swarm, error) {
	if f.swarm != nil {
		return f.swarm(req)
	}
	sw := node.Swarm{Cid: req.Ref, Name: "evil\x1b[2J", State: "fetching", Chunks: 100, Have: 40, RateIn: 3e6}
	if !f.empty {
		sw.Peers = []node.SwarmPeer{
			{ID: "12D3KooWAlice", Source: "overlay", State: "connected", Path: "direct", Received: 40 << 20, Sent: 1 << 20, RateIn: 3e6, RTT: 20, Deficit: -39 << 20, Chunks: 100},
			{ID: "12D3KooWBobBobBobBobBob", Source: "swarm", State: "connected", Path: "relay", Sent: 3 << 20, RateOut: 1e6, RTT: 200, Deficit: 2 << 20, Vouched: 1 << 20, Wants: 4, Chokes: "it must give first", Choked: "others come first"},
			{ID: "12D3KooWMallory", State: "banned", Path: "direct", Why: "wrong bytes"},
		}
		sw.Map = []node.MapCell{{First: 0, Chunks: 40, Have: 40}, {First: 40, Chunks: 20, Have: 0, Coming: 3, Peers: 1}, {First: 60, Chunks: 20, Peers: 12}, {First: 80, Chunks: 20}}
	}
	return sw, nil
}

func (f *fakeNode) Activity(ctx context.Context) iter.Seq2[node.Activity, error] {
	if f.activity != nil {
		return f.activity(ctx)
	}
	return func(yield func(node.Activity, error) bool) {
		if yield(node.Activity{Peers: 2, Serving: 1, RateOut: 1e6, BytesOut: 1 << 30}, nil) {
			<-ctx.Done()
		}
	}
}

// bench is a program under test.
type bench struct {
	*program
	t           *testing.T
	repo        string
	out, errOut *safeBuffer
	node        *fakeNode
	ctx         context.Context
	interrupt   context.CancelFunc
}

// safeBuffer is a buffer that a test may read while a command writes.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
	// wrote is sent to, if there is room, after each write.
	wrote chan struct{}
}

func newSafeBuffer() *safeBuffer { return &safeBuffer{wrote: make(chan struct{}, 1)} }

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case s.wrote <- struct{}{}:
	default:
	}
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// await returns when what was written contains text.
func (s *safeBuffer) await(t *testing.T, text string) {
	t.Helper()
	limit := time.NewTimer(20 * time.Second)
	defer limit.Stop()
	for !bytes.Contains([]byte(s.String()), []byte(text)) {
		select {
		case <-s.wrote:
		case <-limit.C:
			t.Fatalf("no %q in %q", text, s.String())
		}
	}
}

// newBench is a program with a repo of its own, whose nodes are f.
func newBench(t *testing.T, f *fakeNode) *bench {
	t.Helper()
	b := &bench{t: t, repo: t.TempDir(), out: newSafeBuffer(), errOut: newSafeBuffer(), node: f}
	b.ctx, b.interrupt = context.WithCancel(t.Context())
	b.program = &program{
		stdout: b.out, stderr: b.errOut, lockWait: 200 * time.Millisecond,
		open: func(_ context.Context, cfg node.Config) (localNode, error) {
			f.cfg = cfg
			return f, nil
		},
		computeCID: func(_ context.Context, path string, _ bool, _ func(node.Progress)) (node.Shared, error) {
			return node.Shared{Cid: "bafy" + filepath.Base(path), Size: 7}, nil
		},
	}
	return b
}

// peer runs a command line to its end.
func (b *bench) peer(args ...string) int {
	b.t.Helper()
	return b.run(b.ctx, append([]string{"peer", "--repo", b.repo}, args...))
}

// begin runs a command line in the background; the channel has its exit code.
func (b *bench) begin(args ...string) <-chan int {
	b.t.Helper()
	code := make(chan int, 1)
	go func() { code <- b.run(b.ctx, append([]string{"peer", "--repo", b.repo}, args...)) }()
	return code
}

// daemon serves f on the bench's repo, as another process would, until the test
// or the returned function ends it.
func (b *bench) daemon(f *fakeNode, lasting bool) (stop func()) {
	b.t.Helper()
	s, err := api.Listen(api.Config{Repo: b.repo, Service: f, Lasting: lasting})
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			b.t.Error(err)
		}
	})
	b.t.Cleanup(stop)
	return stop
}
