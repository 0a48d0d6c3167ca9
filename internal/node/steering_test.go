package node

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ipfs/go-cid"

	"ringswap/internal/steer"
)

func ptr[T any](v T) *T { return &v }

// What cannot be read costs its content, and is named.
func TestDamagedSteering(t *testing.T) {
	path := filepath.Join(t.TempDir(), "steering.json")
	if _, err := openSteering(path, false); err != nil {
		t.Fatalf("no file: %v", err)
	}
	if err := os.WriteFile(path, []byte(`{"version":1,"settings":{"limit_up":-5}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := openSteering(path, false)
	if !errors.Is(err, steer.ErrDamaged) || !strings.Contains(err.Error(), path) {
		t.Errorf("a damaged file: %v", err)
	}
	if _, err := os.Stat(path + ".damaged"); err != nil {
		t.Errorf("it is not put aside: %v", err)
	}
	if err := s.set(steer.Change{AtOnce: ptr(2)}); err != nil {
		t.Fatal(err)
	}
	if s, err = openSteering(path, false); err != nil || s.settings().AtOnce != 2 {
		t.Errorf("written anew: %+v, %v", s.settings(), err)
	}
}

// The command line's limits hold until they are changed, and only for its run.
func TestLimitsOfTheCommandLine(t *testing.T) {
	repo := t.TempDir()
	open := func(up *int64) *Node {
		n, err := Open(t.Context(), Config{Repo: repo, NoMDNS: true, Listen: loopbackAddr, LimitUp: up})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	n := open(nil)
	if _, err := n.Settings(t.Context(), SettingsChange{LimitUp: ptr[int64](1000)}); err != nil {
		t.Fatal(err)
	}
	if _, err := n.Settings(t.Context(), SettingsChange{LimitUp: ptr[int64](-7)}); AsError(err) == nil || AsError(err).Kind != KindUsage {
		t.Errorf("a negative limit: %v", err)
	}
	want := func(n *Node, up int64) {
		t.Helper()
		if s, err := n.Settings(t.Context(), SettingsChange{}); err != nil || s.LimitUp != up {
			t.Errorf("%+v, %v; want %d up", s, err, up)
		}
	}
	want(n, 1000)
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	n = open(ptr[int64](ServeNobody))
	want(n, ServeNobody)
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	n = open(nil)
	want(n, 1000)
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
}

// A setting that cannot be written down is said to hold only for now, and holds.
func TestSettingsThatCannotBeSaved(t *testing.T) {
	n := openTest(t, OverlayKademlia, nil)
	if err := os.Mkdir(n.steering.path, 0o700); err != nil { // a folder in the file's place
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(n.steering.path, "x"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := n.Settings(t.Context(), SettingsChange{AtOnce: ptr(4)})
	if !errors.Is(err, errUnsaved) || !strings.Contains(err.Error(), "until this node ends") {
		t.Errorf("%v", err)
	}
	if s, err := n.Settings(t.Context(), SettingsChange{}); err != nil || s.AtOnce != 4 {
		t.Errorf("%+v, %v", s, err)
	}
	if err := os.RemoveAll(n.steering.path); err != nil {
		t.Fatal(err)
	}
}

// await lets a task go when it may run, and ends with the task or the context.
func TestAwait(t *testing.T) {
	s, err := openSteering(filepath.Join(t.TempDir(), "steering.json"), false)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.set(steer.Change{AtOnce: ptr(1)}); err != nil {
		t.Fatal(err)
	}
	add := func() (id int) {
		if err := s.update(func(p *steer.Plan) error {
			task, _, err := p.Add(steer.Task{Root: testCid(t), Brief: true})
			id = task.ID
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return id
	}
	first, second := add(), add()
	if err := s.await(t.Context(), first, nil); err != nil {
		t.Errorf("the first: %v", err)
	}
	ended := make(chan error, 1)
	waits := make(chan steer.State, 100)
	go func() { ended <- s.await(t.Context(), second, func(st steer.State) { waits <- st }) }()
	if st := <-waits; st != steer.Queued {
		t.Errorf("the second is %s", st)
	}
	run, done := s.run(t.Context(), first)
	s.done(first)
	<-run.Done()
	if !errors.Is(context.Cause(run), errCancelled) {
		t.Errorf("the first ended with %v", context.Cause(run))
	}
	done()
	if err := <-ended; err != nil {
		t.Errorf("the second: %v", err)
	}
	run, done = s.run(t.Context(), second)
	if err := s.update(func(p *steer.Plan) error { return p.Pause(testCid(t)) }); err != nil {
		t.Fatal(err)
	}
	<-run.Done()
	if !errors.Is(context.Cause(run), errHeld) {
		t.Errorf("paused: %v", context.Cause(run))
	}
	done()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := s.await(ctx, second, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a task that is paused: %v", err)
	}
	if err := s.await(t.Context(), 99, nil); !errors.Is(err, errCancelled) {
		t.Errorf("no such task: %v", err)
	}
}

func testCid(t *testing.T) cid.Cid {
	t.Helper()
	c, err := cid.Decode("bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// What was paused, unshared and shared again is served: nothing is left of the
// pause.
func TestUnshareEndsAPause(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	holder := openTest(t, OverlayKademlia, nil)
	other := openTest(t, OverlayKademlia, holder)
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte("paused"), 0o600); err != nil {
		t.Fatal(err)
	}
	shared, err := holder.Share(ctx, ShareRequest{Path: path}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := holder.Control(ctx, ControlRequest{Ref: shared.Cid, Action: ActionPause}); err != nil {
		t.Fatal(err)
	}
	again, err := holder.Share(ctx, ShareRequest{Path: path}, nil)
	if err != nil || !strings.Contains(again.Warning, "peer resume") {
		t.Errorf("what is paused is shared without a word: %+v, %v", again, err)
	}
	if _, err := holder.Unshare(ctx, shared.Cid); err != nil {
		t.Fatal(err)
	}
	if again, err = holder.Share(ctx, ShareRequest{Path: path}, nil); err != nil || strings.Contains(again.Warning, "paused") {
		t.Errorf("shared again: %+v, %v", again, err)
	}
	if _, err := other.Get(ctx, GetRequest{Ref: shared.Link, Path: filepath.Join(t.TempDir(), "out")}, nil); err != nil {
		t.Error(err)
	}
}
