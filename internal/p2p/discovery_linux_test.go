package p2p

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// discoveryChild makes this binary a node that only discovers: it prints its
// ID, then the ID of everyone it finds, until its input ends.
const discoveryChild = "P2P_TEST_DISCOVER"

func init() { children[discoveryChild] = discover }

func discover(network string) {
	fail := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	key, err := LoadIdentity(os.Getenv("P2P_TEST_IDENTITY"))
	fail(err)
	ctx, cancel := context.WithCancel(context.Background())
	h, err := New(ctx, Config{Identity: key, Network: network})
	fail(err)
	fmt.Println("self", h.ID())
	d := NewDiscovery(h, DiscoveryConfig{
		Found: func(i peer.AddrInfo) { fmt.Println("found", i.ID) },
		Check: 200 * time.Millisecond,
		Log:   slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	go func() {
		_, _ = bufio.NewReader(os.Stdin).ReadString(0)
		cancel()
	}()
	fail(d.Run(ctx))
	fail(h.Close())
}

// node is a child process.
type node struct {
	t     *testing.T
	id    string
	lines chan string
}

// namespaces makes n network namespaces for the length of the test.
func namespaces(t *testing.T, n int) []string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("network namespaces need root")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("network namespaces need the ip command: ", err)
	}
	var names []string
	for i := range n {
		name := fmt.Sprintf("p2ptest-%d-%d", os.Getpid(), i)
		if out, err := exec.Command("ip", "netns", "add", name).CombinedOutput(); err != nil {
			t.Skipf("this system does not let us make network namespaces: %v: %s", err, out)
		}
		t.Cleanup(func() {
			if out, err := exec.Command("ip", "netns", "del", name).CombinedOutput(); err != nil {
				t.Errorf("the network namespace %s is left over: %v: %s", name, err, out)
			}
		})
		ip(t, "-n", name, "link", "set", "lo", "up")
		names = append(names, name)
	}
	return names
}

func ip(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		t.Fatalf("ip %s: %v: %s", strings.Join(args, " "), err, out)
	}
}

func startNode(t *testing.T, namespace, network string) *node {
	t.Helper()
	cmd := exec.Command("ip", "netns", "exec", namespace, os.Args[0])
	cmd.Env = append(os.Environ(), discoveryChild+"="+network, "P2P_TEST_IDENTITY="+t.TempDir()+"/identity")
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	n := &node{t: t, lines: make(chan string, 100)}
	go func() {
		defer close(n.lines)
		for s := bufio.NewScanner(stdout); s.Scan(); {
			n.lines <- s.Text()
		}
	}()
	t.Cleanup(func() {
		_ = stdin.Close()
		kill := time.AfterFunc(10*time.Second, func() { _ = cmd.Process.Kill() })
		defer kill.Stop()
		if err := cmd.Wait(); err != nil {
			t.Errorf("the node ended badly: %v", err)
		}
	})
	n.id = n.expect("self", "")
	return n
}

// expect waits for a line "word ID" and returns the ID, which must be id unless
// that is empty.
func (n *node) expect(word, id string) string {
	n.t.Helper()
	limit := time.After(20 * time.Second)
	for {
		select {
		case line, ok := <-n.lines:
			if !ok {
				n.t.Fatal("the node ended")
			}
			if w, got, _ := strings.Cut(line, " "); w == word && (id == "" || got == id) {
				return got
			}
		case <-limit:
			n.t.Fatalf("no line %q %s", word, id)
		}
	}
}

// Two machines on one wire find each other with no configuration at all, also
// when the wire is plugged in late.
func TestDiscoveryAcrossTheWire(t *testing.T) {
	ns := namespaces(t, 2)
	a, b := startNode(t, ns[0], "lab"), startNode(t, ns[1], "lab")
	other := startNode(t, ns[1], "another-lab")

	left, right := fmt.Sprintf("pl%d", os.Getpid()), fmt.Sprintf("pr%d", os.Getpid())
	ip(t, "link", "add", left, "netns", ns[0], "type", "veth", "peer", "name", right, "netns", ns[1])
	for i, dev := range []string{left, right} {
		ip(t, "-n", ns[i], "addr", "add", fmt.Sprintf("192.168.77.%d/24", i+1), "dev", dev)
		ip(t, "-n", ns[i], "link", "set", dev, "up")
	}
	a.expect("found", b.id)
	b.expect("found", a.id)
	select {
	case line := <-other.lines:
		t.Errorf("a node of another network says %q", line)
	default:
	}

	// Unplugged and plugged in again.
	ip(t, "-n", ns[0], "link", "set", left, "down")
	c := startNode(t, ns[1], "lab")
	c.expect("found", b.id)
	ip(t, "-n", ns[0], "link", "set", left, "up")
	ip(t, "-n", ns[0], "addr", "replace", "192.168.77.1/24", "dev", left)
	a.expect("found", c.id)
}

// Two nodes on a machine that has no network find each other, too.
func TestDiscoveryOnLoopbackAlone(t *testing.T) {
	ns := namespaces(t, 1)
	a, b := startNode(t, ns[0], "lab"), startNode(t, ns[0], "lab")
	a.expect("found", b.id)
	b.expect("found", a.id)
}
