package api

import (
	"context"
	"io"
	"iter"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"ringswap/internal/node"
)

// script is a Service that does what a test tells it to; what no test scripted
// answers with the zero value.
type script struct {
	share    func(context.Context, node.ShareRequest, func(node.Progress)) (node.Shared, error)
	cat      func(context.Context, node.CatRequest, io.Writer) error
	entries  func(context.Context, string) iter.Seq2[node.Entry, error]
	activity func(context.Context) iter.Seq2[node.Activity, error]
	verify   func(context.Context, func(node.Progress)) iter.Seq2[node.Verified, error]
	status   node.Status

	mu   sync.Mutex
	refs []string
}

func (s *script) took(call, ref string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refs = append(s.refs, call+" "+ref)
}

func none[T any]() iter.Seq2[T, error] { return func(func(T, error) bool) {} }

func (s *script) Identity(context.Context) (node.Identity, error) { return s.status.Identity, nil }
func (s *script) Status(context.Context) (node.Status, error)     { return s.status, nil }
func (s *script) Connections(context.Context) ([]node.Connection, error) {
	return []node.Connection{{ID: "a", RTT: 1.5}, {ID: "b", Path: "relay"}}, nil
}

func (s *script) Share(ctx context.Context, req node.ShareRequest, p func(node.Progress)) (node.Shared, error) {
	return s.share(ctx, req, p)
}

func (s *script) Get(_ context.Context, req node.GetRequest, p func(node.Progress)) (node.Got, error) {
	s.took("get", req.Ref)
	p(node.Progress{Phase: "fetching", Done: 1, Total: 2})
	return node.Got{Cid: req.Ref, Path: req.Path, Seconds: req.Wait.Seconds(), Peers: []node.GotPeer{{ID: "p", Bytes: 7}}}, nil
}

func (s *script) Cat(ctx context.Context, req node.CatRequest, w io.Writer) error {
	return s.cat(ctx, req, w)
}

func (s *script) Enqueue(_ context.Context, req node.GetRequest) (node.Transfer, error) {
	s.took("enqueue", req.Ref)
	return node.Transfer{Cid: req.Ref, State: "queued", LimitDown: req.Limit}, nil
}

func (s *script) Transfers(context.Context) iter.Seq2[node.Transfer, error] {
	return func(yield func(node.Transfer, error) bool) {
		_ = yield(node.Transfer{Cid: "one", Goal: node.Goal{Ratio: 1.5}}, nil) && yield(node.Transfer{Cid: "two", Why: "why"}, nil)
	}
}

func (s *script) Control(_ context.Context, req node.ControlRequest) ([]node.Transfer, error) {
	s.took("control "+string(req.Action), req.Ref)
	return []node.Transfer{{Cid: req.Ref, LimitUp: *req.Change.LimitUp}}, nil
}

func (s *script) Settings(_ context.Context, c node.SettingsChange) (node.Settings, error) {
	s.took("settings", "")
	return c.To(node.Settings{LimitUp: 7, AtOnce: 3}), nil
}

func (s *script) Shares(context.Context) iter.Seq2[node.ShareInfo, error] {
	return none[node.ShareInfo]()
}

func (s *script) Entries(ctx context.Context, ref string) iter.Seq2[node.Entry, error] {
	return s.entries(ctx, ref)
}

func (s *script) Unshare(_ context.Context, ref string) (node.ShareInfo, error) {
	s.took("unshare", ref)
	return node.ShareInfo{Cid: ref, Added: time.Unix(1, 0).UTC()}, nil
}

func (s *script) Pins(context.Context) iter.Seq2[node.Pin, error] {
	return func(yield func(node.Pin, error) bool) {
		_ = yield(node.Pin{Cid: "one"}, nil) && yield(node.Pin{Cid: "two"}, nil)
	}
}

func (s *script) Pin(_ context.Context, ref string, _ func(node.Progress)) (node.Pin, error) {
	s.took("pin", ref)
	return node.Pin{Cid: ref}, nil
}

func (s *script) Unpin(_ context.Context, ref string) (node.Pin, error) {
	s.took("unpin", ref)
	return node.Pin{Cid: ref}, nil
}

func (s *script) GC(_ context.Context, p func(node.Progress)) (node.Reclaimed, error) {
	p(node.Progress{Phase: "sweeping"})
	return node.Reclaimed{Blocks: 3, Bytes: 1 << 40}, nil
}

func (s *script) Verify(ctx context.Context, p func(node.Progress)) iter.Seq2[node.Verified, error] {
	return s.verify(ctx, p)
}

func (s *script) Ring(context.Context) (node.Ring, error) {
	seen := 1.5
	return node.Ring{
		Overlay: "chord", Kept: node.Kept{Keys: 3},
		Predecessor: &node.RingPeer{ID: "p", Distance: 0.25, Seen: &seen},
		Fingers:     []node.Finger{{Row: 1, Digit: 15, RingPeer: node.RingPeer{ID: "f", Silent: 2}}},
	}, nil
}

func (s *script) Lookup(_ context.Context, req node.LookupRequest) (node.Lookup, error) {
	s.took("lookup", req.Key)
	return node.Lookup{Key: req.Key, Hops: 2, Trace: []node.LookupStep{{ID: "x", Via: -1}}}, nil
}

func (s *script) Providers(_ context.Context, ref string) iter.Seq2[node.Provider, error] {
	s.took("providers", ref)
	return none[node.Provider]()
}

func (s *script) Swarm(_ context.Context, req node.SwarmRequest) (node.Swarm, error) {
	s.took("swarm", req.Ref)
	return node.Swarm{Cid: req.Ref, Chunks: req.Cells}, nil
}

func (s *script) Activity(ctx context.Context) iter.Seq2[node.Activity, error] {
	return s.activity(ctx)
}

// running is a Server at work in a test.
type running struct {
	*Server
	stop func() error // ends Run and returns its error; called again it does nothing
}

// serve runs a Server for cfg until the test ends.
func serve(t *testing.T, cfg Config) running {
	t.Helper()
	s, err := Listen(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	var once sync.Once
	r := running{s, func() (err error) {
		once.Do(func() { cancel(); err = <-done })
		return err
	}}
	t.Cleanup(func() {
		if err := r.stop(); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return r
}

func dialed(t *testing.T, repo string) *Client {
	t.Helper()
	c, err := Dial(t.Context(), repo)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// shortRepo is a folder whose socket path is short enough on every system.
func shortRepo(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if len(filepath.Join(dir, socketFile)) > maxSocketPath {
		t.Logf("the temporary folder %s is too deep for a socket; testing the short folder instead", dir)
	}
	return dir
}
