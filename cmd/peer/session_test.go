package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"strings"
	"testing"

	"ringswap/internal/api"
	"ringswap/internal/node"
)

// want fails the test unless the command ended so.
func (b *bench) want(code <-chan int, want int) {
	b.t.Helper()
	if got := <-code; got != want {
		b.t.Errorf("exit code %d, want %d\n--- stdout\n%s\n--- stderr\n%s", got, want, b.out, b.errOut)
	}
}

func TestCommandWithoutDaemonRunsANode(t *testing.T) {
	b := newBench(t, &fakeNode{})
	if code := b.peer("get", "CID", "--network", "n", "--limit-up", "none", "--bootstrap", "/ip4/1.2.3.4/tcp/1/p2p/12D3KooWGRUahVVwvSLkMb3G8shwyjqdQXAHREwMiT9SLQKxYyJj", "--no-mdns"); code != 0 {
		t.Fatalf("exit code %d: %s", code, b.errOut)
	}
	cfg := b.node.cfg
	if cfg.Repo != b.repo || cfg.Network != "n" || cfg.LimitUp == nil || *cfg.LimitUp != node.ServeNobody || len(cfg.Bootstrap) != 1 || !cfg.NoMDNS {
		t.Errorf("the node's config: %+v", cfg)
	}
	if !b.node.isClosed() {
		t.Error("the node was left open")
	}
}

func TestEnvironmentConfiguresTheNode(t *testing.T) {
	const p = "/p2p/12D3KooWGRUahVVwvSLkMb3G8shwyjqdQXAHREwMiT9SLQKxYyJj"
	t.Setenv("PEER_BOOTSTRAP", "/ip4/1.2.3.4/tcp/1"+p+",/ip4/1.2.3.4/tcp/2"+p)
	t.Setenv("PEER_NETWORK", "n")
	t.Setenv("PEER_LIMIT_DOWN", "2MB")
	t.Setenv("PEER_NO_MDNS", "true")
	t.Setenv("PEER_OVERLAY", "chord")
	t.Setenv("PEER_RECURSIVE", "true")
	b := newBench(t, &fakeNode{})
	if code := b.peer("id"); code != 0 {
		t.Fatalf("exit code %d: %s", code, b.errOut)
	}
	if cfg := b.node.cfg; len(cfg.Bootstrap) != 2 || cfg.Network != "n" || cfg.LimitUp != nil || cfg.LimitDown == nil || *cfg.LimitDown != 2e6 || !cfg.NoMDNS || !cfg.Recursive {
		t.Errorf("the node's config: %+v", cfg)
	}
	b.daemon(&fakeNode{}, true)
	if code := b.peer("id", "--no-mdns"); code != 0 || !strings.Contains(b.errOut.String(), "warning: --no-mdns: no effect") {
		t.Errorf("exit code %d: %s", code, b.errOut)
	}
	if strings.Contains(b.errOut.String(), "--network") {
		t.Error("the environment is taken for a flag of this command")
	}
}

func TestLockedRepoIsWaitedFor(t *testing.T) {
	b := newBench(t, &fakeNode{})
	tries := 0
	b.open = func(context.Context, node.Config) (localNode, error) {
		if tries++; tries == 2 { // the other process begins to answer
			b.daemon(&fakeNode{}, true)
		}
		return nil, fmt.Errorf("open: %w", node.ErrRepoLocked)
	}
	if code := b.peer("id"); code != 0 || tries != 2 {
		t.Errorf("exit code %d after %d tries: %s", code, tries, b.errOut)
	}
}

func TestLockedRepoThatNeverAnswers(t *testing.T) {
	b := newBench(t, &fakeNode{})
	b.open = func(context.Context, node.Config) (localNode, error) {
		return nil, fmt.Errorf("open: %w", node.ErrRepoLocked)
	}
	for _, args := range [][]string{{"id"}, {"run"}} {
		if code := b.peer(args...); code != exitFailed || !strings.Contains(b.errOut.String(), "does not answer") {
			t.Errorf("%v: exit code %d: %s", args, code, b.errOut)
		}
	}
}

// TestOneShotWaitsForOthers: a get that served the repo to another command ends
// after that.
func TestOneShotWaitsForOthers(t *testing.T) {
	begun, finish := make(chan struct{}), make(chan struct{})
	b := newBench(t, &fakeNode{})
	b.node.get = func(context.Context, node.GetRequest, func(node.Progress)) (node.Got, error) {
		close(begun)
		<-finish
		return node.Got{}, nil
	}
	code := b.begin("get", "CID")
	<-begun
	c, err := api.Dial(t.Context(), b.repo)
	if err != nil {
		t.Fatal(err)
	}
	if c.Hello().Lasting {
		t.Error("a command passes itself off as a daemon")
	}
	for a, err := range c.Activity(t.Context()) {
		if err != nil || a.Peers != 2 {
			t.Errorf("%+v, %v", a, err)
		}
		close(finish)
		b.errOut.await(t, "another command is still using this node")
		if b.node.isClosed() {
			t.Error("the node was closed under the other command")
		}
		break // the other command ends
	}
	b.want(code, 0)
	if !b.node.isClosed() {
		t.Error("the node was left open")
	}
}

func TestRun(t *testing.T) {
	b := newBench(t, &fakeNode{})
	code := b.begin("run", "--json")
	b.out.await(t, `"event":"activity"`)
	if c, err := api.Dial(t.Context(), b.repo); err != nil || !c.Hello().Lasting {
		t.Errorf("the daemon: %v", err)
	}
	if got := b.peer("run"); got != exitFailed || !strings.Contains(b.errOut.String(), "runs already") {
		t.Errorf("a second daemon: exit code %d: %s", got, b.errOut)
	}
	b.interrupt()
	b.want(code, 0)
	if !b.node.isClosed() {
		t.Error("the node was left open")
	}
	first, _, _ := strings.Cut(b.out.String(), "\n")
	var ready struct {
		Event, ID, Overlay string
		Addrs              []string
	}
	if err := json.Unmarshal([]byte(first), &ready); err != nil || ready.Event != "ready" || ready.ID != fakeIdentity.ID || len(ready.Addrs) != 2 || ready.Overlay != "kademlia" {
		t.Errorf("first line %s: %v", first, err)
	}
}

func TestRunForPeople(t *testing.T) {
	b := newBench(t, &fakeNode{})
	code := b.begin("run", "--verbose")
	b.out.await(t, "\nready\n")
	b.errOut.await(t, "2 peers, serving 1")
	b.interrupt()
	b.want(code, 0)
	if !strings.Contains(b.out.String(), fakeIdentity.Addrs[1]) {
		t.Errorf("no addresses: %s", b.out)
	}
}

func TestRunWithoutTracker(t *testing.T) {
	b := newBench(t, &fakeNode{})
	if code := b.peer("run", "--tracker", "http://x"); code != exitUsage || !strings.Contains(b.errOut.String(), "no tracker client") {
		t.Errorf("exit code %d: %s", code, b.errOut)
	}
}

func TestShareGoesOnWithoutADaemon(t *testing.T) {
	for _, other := range []bool{false, true} { // the node is another command's, which may end
		b := newBench(t, &fakeNode{})
		if other {
			b.daemon(&fakeNode{}, false)
		}
		code := b.begin("share", "a")
		b.errOut.await(t, "sharing until Ctrl-C")
		b.errOut.await(t, "2 peers, serving 1")
		b.interrupt()
		b.want(code, 0)
	}
}

func TestShareOutlivesTheCommandThatRanTheNode(t *testing.T) {
	b := newBench(t, &fakeNode{})
	stop := b.daemon(&fakeNode{}, false)
	code := b.begin("share", "a")
	b.errOut.await(t, "2 peers, serving 1")
	stop()
	b.errOut.await(t, "going on without it")
	b.errOut.await(t, "it\nsharing until Ctrl-C")
	b.interrupt()
	b.want(code, 0)
	if !b.node.isClosed() {
		t.Error("no node of its own took over")
	}
}

func TestShareEndsBadlyIfTheNodeGoes(t *testing.T) {
	b := newBench(t, &fakeNode{activity: func(context.Context) iter.Seq2[node.Activity, error] {
		return func(func(node.Activity, error) bool) {}
	}})
	if code := b.peer("share", "a"); code != exitFailed {
		t.Errorf("exit code %d: %s", code, b.errOut)
	}
}

func TestInterruptedBeforeSharingBegan(t *testing.T) {
	begun := make(chan struct{})
	b := newBench(t, &fakeNode{share: func(ctx context.Context, _ node.ShareRequest, _ func(node.Progress)) (node.Shared, error) {
		close(begun)
		<-ctx.Done()
		return node.Shared{}, ctx.Err()
	}})
	code := b.begin("share", "a")
	<-begun
	b.interrupt()
	b.want(code, exitInterrupted)
}

func TestInterruptedGetSaysHowToGoOn(t *testing.T) {
	for _, remote := range []bool{false, true} {
		begun := make(chan struct{})
		f := &fakeNode{get: func(ctx context.Context, _ node.GetRequest, _ func(node.Progress)) (node.Got, error) {
			close(begun)
			<-ctx.Done()
			return node.Got{}, ctx.Err()
		}}
		b := newBench(t, f)
		if remote {
			b.daemon(f, true)
		}
		code := b.begin("get", "CID", "--json")
		<-begun
		b.interrupt()
		b.want(code, exitInterrupted)
		if !strings.Contains(b.errOut.String(), "try: the same command again") || !strings.Contains(b.out.String(), `"kind":"interrupted"`) {
			t.Errorf("remote=%v: %s%s", remote, b.out, b.errOut)
		}
	}
}

func TestErrorsKeepTheirCodes(t *testing.T) {
	for kind, want := range exitCodes {
		f := &fakeNode{get: func(context.Context, node.GetRequest, func(node.Progress)) (node.Got, error) {
			return node.Got{}, &node.Error{Kind: kind, What: "it did not work", Why: "one\ntwo", Try: "peer help"}
		}}
		for _, remote := range []bool{false, true} {
			b := newBench(t, f)
			if remote {
				b.daemon(f, true)
			}
			if code := b.peer("get", "CID"); code != want {
				t.Errorf("%s, remote=%v: exit code %d, want %d", kind, remote, code, want)
			}
			if got := b.errOut.String(); got != "error: it did not work\n  why: one\n       two\n  try: peer help\n" {
				t.Errorf("%q", got)
			}
		}
	}
	if code := exitCode(&node.Error{Kind: "of a later version"}); code != exitFailed {
		t.Errorf("an unknown kind: %d", code)
	}
	if code := exitCode(io.ErrShortWrite); code != exitFailed {
		t.Errorf("a plain error: %d", code)
	}
}

func TestQuiet(t *testing.T) {
	for _, args := range [][]string{{"get", "CID", "-q"}, {"--quiet", "share", "a"}, {"ls", "--quiet"}} {
		b := newBench(t, &fakeNode{})
		b.daemon(b.node, true)
		if code := b.peer(args...); code != 0 || b.errOut.String() != "" || b.out.String() == "" {
			t.Errorf("%v: exit code %d, stdout %q, stderr %q", args, code, b.out, b.errOut)
		}
	}
}

func TestUsageErrors(t *testing.T) {
	t.Setenv("PEER_OVERLAY", "")
	for args, want := range map[string]string{
		"":        "",
		"get":     "needs CID|LINK",
		"cat a b": `also given "b"`,
		"get bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e b": "-o b",
		"status x":                     "takes no arguments",
		"get x --wait z":               `invalid value "z"`,
		"get x --wait -1s":             "not a time to wait",
		"get x --wait 0s":              "not a time to wait",
		"get x --limit none":           "not a rate",
		"get x -o /dev/null/":          "no folder",
		"cat x --offset -1":            "before the file's beginning",
		"cat x --length -2":            "negative",
		"cat x --length y":             `invalid value "y"`,
		"add x --replicas 0":           "between 1 and 100",
		"run --listen nope":            "not a multiaddress",
		"run --bootstrap /ip4/1.2.3.4": "/p2p/PEERID",
		"run --overlay pastry":         "this version has chord and kademlia",
		"run --network a/b":            "network name",
		"run --limit-up fast":          "not a rate",
		"pin":                          "ls, add or rm",
		"pin add":                      "needs CID|LINK...",
		"completion tcsh":              "bash, zsh and fish",
		"--json=maybe id":              "invalid boolean value",
	} {
		b := newBench(t, &fakeNode{})
		code := b.peer(strings.Fields(args)...)
		if args == "" {
			if code != 0 || !strings.Contains(b.out.String(), "Two words") {
				t.Errorf("peer alone: %d", code)
			}
			continue
		}
		if code != exitUsage || !strings.Contains(b.errOut.String(), want) || !strings.Contains(b.errOut.String(), "try: ") || b.out.String() != "" {
			t.Errorf("peer %s: exit code %d, stdout %q, stderr %q", args, code, b.out, b.errOut)
		}
	}
	b := newBench(t, &fakeNode{})
	if code := b.peer("rm", ""); code != exitUsage {
		t.Errorf("an empty CID: exit code %d", code)
	}
}

func TestCompletionScripts(t *testing.T) {
	for shell, script := range completionScripts {
		b := newBench(t, &fakeNode{})
		if code := b.peer("completion", shell); code != 0 || b.out.String() != script {
			t.Errorf("%s: exit code %d", shell, code)
		}
	}
}
