package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"reflect"
	"strings"
	"testing"
	"time"

	"ringswap/internal/node"
)

func TestEveryCallOfServiceIsServed(t *testing.T) {
	service := reflect.TypeFor[node.Service]()
	if n := len(routes) + 1; n != service.NumMethod() { // and cat
		t.Errorf("%d routes for %d methods of Service", n, service.NumMethod())
	}
	seen := map[string]bool{}
	for _, r := range routes {
		if seen[r.path()] {
			t.Errorf("two routes at %s", r.path())
		}
		seen[r.path()] = true
	}
}

func TestCallsCrossUnchanged(t *testing.T) {
	for _, noUnix := range []bool{false, true} {
		t.Run(fmt.Sprintf("loopback=%v", noUnix), func(t *testing.T) {
			s := &script{status: node.Status{Identity: node.Identity{ID: "me", Addrs: []string{"/ip4/1.2.3.4/tcp/1/p2p/me"}}, BytesIn: 1 << 60}}
			repo := shortRepo(t)
			serve(t, Config{Repo: repo, Service: s, Lasting: true, noUnix: noUnix})
			c := dialed(t, repo)
			if !c.Hello().Lasting {
				t.Error("Hello lost that the daemon is lasting")
			}
			checkCalls(t, c, s)
		})
	}
}

// checkCalls compares what the client returns with what the script returns.
func checkCalls(t *testing.T, c node.Service, s *script) {
	t.Helper()
	ctx := t.Context()
	same := func(name string, got any, err error, want any) {
		t.Helper()
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v; want %+v", name, got, err, want)
		}
	}
	id, err := c.Identity(ctx)
	same("Identity", id, err, s.status.Identity)
	st, err := c.Status(ctx)
	same("Status", st, err, s.status)
	conns, err := c.Connections(ctx)
	want, _ := s.Connections(ctx)
	same("Connections", conns, err, want)
	sw, err := c.Swarm(ctx, node.SwarmRequest{Ref: "s", Cells: 7})
	same("Swarm", sw, err, node.Swarm{Cid: "s", Chunks: 7})
	rate := int64(1 << 40)
	tr, err := c.Enqueue(ctx, node.GetRequest{Ref: "q", Limit: 5})
	same("Enqueue", tr, err, node.Transfer{Cid: "q", State: "queued", LimitDown: 5})
	trs, err := c.Control(ctx, node.ControlRequest{Ref: "one", Action: node.ActionPause, Change: node.SettingsChange{LimitUp: &rate}})
	same("Control", trs, err, []node.Transfer{{Cid: "one", LimitUp: rate}})
	set, err := c.Settings(ctx, node.SettingsChange{LimitUp: &rate})
	same("Settings", set, err, node.Settings{LimitUp: rate, AtOnce: 3})
	all, err := collect(c.Transfers(ctx))
	same("Transfers", all, err, []node.Transfer{{Cid: "one", Goal: node.Goal{Ratio: 1.5}}, {Cid: "two", Why: "why"}})
	un, err := c.Unshare(ctx, "cid")
	same("Unshare", un, err, node.ShareInfo{Cid: "cid", Added: time.Unix(1, 0).UTC()})
	pin, err := c.Pin(ctx, "pin", nil)
	same("Pin", pin, err, node.Pin{Cid: "pin"})
	pin, err = c.Unpin(ctx, "unpin")
	same("Unpin", pin, err, node.Pin{Cid: "unpin"})
	ring, err := c.Ring(ctx)
	wantRing, _ := s.Ring(ctx)
	same("Ring", ring, err, wantRing)
	lk, err := c.Lookup(ctx, node.LookupRequest{Key: "k\x00é\"", Trace: true})
	same("Lookup", lk, err, node.Lookup{Key: "k\x00é\"", Hops: 2, Trace: []node.LookupStep{{ID: "x", Via: -1}}})

	var seen []node.Progress
	note := func(p node.Progress) { seen = append(seen, p) }
	got, err := c.Get(ctx, node.GetRequest{Ref: "r", Path: "/p", Wait: 90 * time.Second}, note)
	same("Get", got, err, node.Got{Cid: "r", Path: "/p", Seconds: 90, Peers: []node.GotPeer{{ID: "p", Bytes: 7}}})
	rec, err := c.GC(ctx, note)
	same("GC", rec, err, node.Reclaimed{Blocks: 3, Bytes: 1 << 40})
	same("progress", seen, nil, []node.Progress{{Phase: "fetching", Done: 1, Total: 2}, {Phase: "sweeping"}})

	pins, err := collect(c.Pins(ctx))
	same("Pins", pins, err, []node.Pin{{Cid: "one"}, {Cid: "two"}})
	shares, err := collect(c.Shares(ctx))
	same("Shares", shares, err, []node.ShareInfo(nil))
	provs, err := collect(c.Providers(ctx, "c"))
	same("Providers", provs, err, []node.Provider(nil))
}

func collect[T any](seq iter.Seq2[T, error]) (all []T, err error) {
	for it, err := range seq {
		if err != nil {
			return all, err
		}
		all = append(all, it)
	}
	return all, nil
}

func TestErrorsCrossIntact(t *testing.T) {
	want := &node.Error{Kind: node.KindDamaged, What: "no", Why: "because \"x\"\n", Try: "peer verify"}
	s := &script{
		share: func(context.Context, node.ShareRequest, func(node.Progress)) (node.Shared, error) {
			return node.Shared{}, fmt.Errorf("wrapped: %w", want)
		},
		cat: func(_ context.Context, _ node.CatRequest, w io.Writer) error {
			_, _ = io.WriteString(w, "half")
			return want
		},
		verify: func(_ context.Context, p func(node.Progress)) iter.Seq2[node.Verified, error] {
			return func(yield func(node.Verified, error) bool) {
				p(node.Progress{Phase: "verifying"})
				_ = yield(node.Verified{Cid: "x", Bad: 1}, nil) && yield(node.Verified{}, errors.New("plain"))
			}
		},
	}
	repo := shortRepo(t)
	serve(t, Config{Repo: repo, Service: s})
	c := dialed(t, repo)

	_, err := c.Share(t.Context(), node.ShareRequest{}, nil)
	if got := node.AsError(err); !reflect.DeepEqual(got, want) {
		t.Errorf("Share: %#v, want %#v", got, want)
	}
	var out bytes.Buffer
	err = c.Cat(t.Context(), node.CatRequest{}, &out)
	if got := node.AsError(err); !reflect.DeepEqual(got, want) || out.String() != "half" {
		t.Errorf("Cat: %q, %#v", out.String(), got)
	}
	items, err := collect(c.Verify(t.Context(), nil))
	if len(items) != 1 || items[0].Bad != 1 || node.AsError(err).What != "plain" {
		t.Errorf("Verify: %+v, %v", items, err)
	}
}

func TestCatCarriesEveryByte(t *testing.T) {
	data := bytes.Repeat([]byte("0123456789abcdef"), (3<<20)/16+1)
	s := &script{cat: func(_ context.Context, req node.CatRequest, w io.Writer) error {
		for b := data[req.Offset:]; len(b) > 0; {
			n := min(len(b), 2<<20)
			if _, err := w.Write(b[:n]); err != nil {
				return err
			}
			b = b[n:]
		}
		return nil
	}}
	repo := shortRepo(t)
	serve(t, Config{Repo: repo, Service: s, Beat: time.Millisecond})
	var out bytes.Buffer
	if err := dialed(t, repo).Cat(t.Context(), node.CatRequest{Offset: 3, Length: -1}, &out); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(out.Bytes(), data[3:]) {
		t.Errorf("%d bytes differ from the %d written", out.Len(), len(data)-3)
	}
}

// full is a writer that takes n bytes.
type full struct{ n int }

var errFull = errors.New("disk full")

func (f *full) Write(p []byte) (int, error) {
	if f.n -= len(p); f.n < 0 {
		return 0, errFull
	}
	return len(p), nil
}

func TestCatReportsTheWritersError(t *testing.T) {
	ended := make(chan error, 1)
	s := &script{cat: func(ctx context.Context, _ node.CatRequest, w io.Writer) error {
		for {
			if _, err := w.Write(make([]byte, 64<<10)); err != nil {
				ended <- err
				return err
			}
		}
	}}
	repo := shortRepo(t)
	serve(t, Config{Repo: repo, Service: s})
	if err := dialed(t, repo).Cat(t.Context(), node.CatRequest{}, &full{200 << 10}); !errors.Is(err, errFull) {
		t.Errorf("Cat into a full disk: %v", err)
	}
	<-ended // the server noticed that nobody reads
}

func TestClientThatGoesCancelsTheCall(t *testing.T) {
	ended := make(chan error, 1)
	s := &script{
		share: func(ctx context.Context, _ node.ShareRequest, p func(node.Progress)) (node.Shared, error) {
			p(node.Progress{Phase: "hashing"})
			<-ctx.Done()
			ended <- ctx.Err()
			return node.Shared{}, ctx.Err()
		},
		activity: func(ctx context.Context) iter.Seq2[node.Activity, error] {
			return func(yield func(node.Activity, error) bool) {
				for i := range 1000 {
					if !yield(node.Activity{Peers: i}, nil) {
						break
					}
				}
				<-ctx.Done()
				ended <- ctx.Err()
			}
		},
	}
	repo := shortRepo(t)
	srv := serve(t, Config{Repo: repo, Service: s})
	c := dialed(t, repo)

	ctx, cancel := context.WithCancel(t.Context())
	_, err := c.Share(ctx, node.ShareRequest{}, func(node.Progress) { cancel() })
	if e := node.AsError(err); e.Kind != node.KindInterrupted || !errors.Is(err, context.Canceled) {
		t.Errorf("an interrupted call: %#v", e)
	}
	<-ended
	for a, err := range c.Activity(t.Context()) {
		if err != nil || a.Peers == 3 {
			break
		}
	}
	<-ended
	ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = c.Share(ctx, node.ShareRequest{}, nil)
	if e := node.AsError(err); e.Kind != node.KindTimeout {
		t.Errorf("a call that took too long: %#v", e)
	}
	<-ended
	if err := srv.WaitIdle(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestStopEndsCallsWithAReason(t *testing.T) {
	begun := make(chan struct{})
	s := &script{share: func(ctx context.Context, _ node.ShareRequest, _ func(node.Progress)) (node.Shared, error) {
		close(begun)
		<-ctx.Done()
		return node.Shared{}, ctx.Err()
	}}
	repo := shortRepo(t)
	srv := serve(t, Config{Repo: repo, Service: s})
	c := dialed(t, repo)
	got := make(chan error, 1)
	go func() {
		_, err := c.Share(t.Context(), node.ShareRequest{}, nil)
		got <- err
	}()
	<-begun
	if n := srv.Running(); n != 1 {
		t.Errorf("%d calls run, want 1", n)
	}
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := srv.WaitIdle(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("WaitIdle while a call runs: %v", err)
	}
	if err := srv.stop(); err != nil {
		t.Error(err)
	}
	if e := node.AsError(<-got); e.Kind != node.KindInterrupted || !strings.Contains(e.What, "stopped") {
		t.Errorf("the call ended with %#v", e)
	}
	if _, err := Dial(t.Context(), repo); !errors.Is(err, ErrNoDaemon) {
		t.Errorf("Dial after the stop: %v", err)
	}
}

func TestSlowReaderHoldsUpNoProgress(t *testing.T) {
	const steps = 20_000
	worked := make(chan struct{})
	s := &script{share: func(_ context.Context, _ node.ShareRequest, p func(node.Progress)) (node.Shared, error) {
		p(node.Progress{Note: "first"})
		for i := range steps {
			p(node.Progress{Done: int64(i), Name: strings.Repeat("x", 1000)})
		}
		p(node.Progress{Note: "second"})
		p(node.Progress{Done: steps})
		close(worked)
		return node.Shared{Cid: "done"}, nil
	}}
	repo := shortRepo(t)
	serve(t, Config{Repo: repo, Service: s})
	c := dialed(t, repo)
	var notes []string
	var last node.Progress
	calls := 0
	got, err := c.Share(t.Context(), node.ShareRequest{}, func(p node.Progress) {
		<-worked // it ends although nobody reads on
		calls++
		last = p
		if p.Note != "" {
			notes = append(notes, p.Note)
		}
	})
	if err != nil || got.Cid != "done" {
		t.Fatal(got, err)
	}
	if last.Done != steps || !reflect.DeepEqual(notes, []string{"first", "second"}) {
		t.Errorf("last %+v, notes %v", last, notes)
	}
	if calls >= steps {
		t.Errorf("%d calls of progress crossed one by one", calls)
	}
}

// BenchmarkCat is the cost of having a file's bytes from another process.
func BenchmarkCat(b *testing.B) {
	chunk := make([]byte, 1<<20)
	s := &script{cat: func(_ context.Context, _ node.CatRequest, w io.Writer) error {
		for range b.N {
			if _, err := w.Write(chunk); err != nil {
				return err
			}
		}
		return nil
	}}
	repo := b.TempDir()
	srv, err := Listen(Config{Repo: repo, Service: s})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- srv.Run(ctx) }()
	c, err := Dial(b.Context(), repo)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(chunk)))
	b.ReportAllocs()
	if err := c.Cat(b.Context(), node.CatRequest{}, io.Discard); err != nil {
		b.Error(err)
	}
	cancel()
	if err := <-done; err != nil {
		b.Error(err)
	}
}
