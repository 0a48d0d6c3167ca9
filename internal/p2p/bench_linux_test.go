package p2p

import (
	"bufio"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	ma "github.com/multiformats/go-multiaddr"

	"ringswap/nat"
)

const bulkProtocol = "/test/bulk/1"

// BenchmarkStream is one stream from one process to another on loopback: what
// any protocol above can reach at most. peakMiB is the most that the sending
// and the receiving process had resident.
//
//	go test -run '^$' -bench Stream -benchtime 1x ./internal/p2p
func BenchmarkStream(b *testing.B) {
	for _, transport := range []string{"tcp-tls", "tcp-noise", "quic"} {
		for _, window := range []int{1, 4, 8, 16} {
			if window != 8 && transport != "tcp-tls" {
				continue
			}
			b.Run(fmt.Sprintf("%s/window=%dMiB", transport, window), func(b *testing.B) {
				const size = 1 << 30
				b.SetBytes(size)
				var send, receive int
				for range b.N {
					s := startBulk(b, bulkServer, fmt.Sprintf("%s %d %d", transport, window, size))
					r := startBulk(b, bulkClient, fmt.Sprintf("%s %d %s", transport, window, s.line()))
					if got := r.line(); got != strconv.Itoa(size) {
						b.Fatalf("received %q bytes", got)
					}
					receive = max(receive, r.peak())
					send = max(send, s.peak())
				}
				b.ReportMetric(float64(send), "send-peakMiB")
				b.ReportMetric(float64(receive), "recv-peakMiB")
			})
		}
	}
}

// BenchmarkIdle is a host with everything switched on, in a process of its own:
// the time until it listens, and what it has resident two seconds later.
func BenchmarkIdle(b *testing.B) {
	for range b.N {
		c := startBulk(b, idleHost, "x")
		start, err := time.ParseDuration(c.line())
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(start.Microseconds())/1000, "start-ms")
		rss, err := strconv.Atoi(c.line())
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(rss), "residentMiB")
		c.peak()
	}
}

// BenchmarkCall is a small request and its answer over a kept stream.
func BenchmarkCall(b *testing.B) {
	for name, addr := range map[string]string{"tcp": tcpLoopback, "quic": quicLoopback} {
		b.Run(name, func(b *testing.B) {
			x, y := newHost(b, listenOn(addr)), newHost(b, listenOn(addr))
			tx, ty := newTransport(b, x, TransportConfig{}), newTransport(b, y, TransportConfig{})
			ty.Serve(echo)
			to, msg := contactOf(y), make([]byte, 1000)
			b.ResetTimer()
			for range b.N {
				if _, err := tx.Call(context.Background(), to, msg); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

const (
	bulkServer = "P2P_TEST_BULK_SERVER"
	bulkClient = "P2P_TEST_BULK_CLIENT"
	idleHost   = "P2P_TEST_IDLE_HOST"
)

func init() {
	children[bulkServer] = serveBulk
	children[bulkClient] = fetchBulk
	children[idleHost] = idle
}

func must[T any](v T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return v
}

// passingKey is an identity for one run.
func passingKey() crypto.PrivKey {
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	return must(key, err)
}

func bulkHost(transport string, window int) host.Host {
	listen := tcpLoopback
	if transport == "quic" {
		listen = quicLoopback
	}
	limits := DefaultLimits()
	limits.StreamWindow = uint32(window) << 20
	if transport == "tcp-noise" {
		return must(libp2p.New(
			libp2p.ListenAddrStrings(listen), libp2p.DisableMetrics(), libp2p.Muxer("/yamux/1.0.0", muxer(limits)),
			libp2p.Security(noise.ID, noise.New), libp2p.Transport(tcp.NewTCPTransport)))
	}
	return must(New(context.Background(), Config{Identity: passingKey(), Listen: []ma.Multiaddr{ma.StringCast(listen)}, Limits: limits}))
}

func serveBulk(arg string) {
	f := strings.Fields(arg)
	h := bulkHost(f[0], must(strconv.Atoi(f[1])))
	left := must(strconv.Atoi(f[2]))
	buf := make([]byte, 1<<20)
	h.SetStreamHandler(bulkProtocol, func(s network.Stream) {
		for ; left > 0; left -= len(buf) {
			must(s.Write(buf))
		}
		must(0, s.Close())
	})
	fmt.Printf("%s/p2p/%s\n", h.Addrs()[0], h.ID())
	waitForEnd()
}

func fetchBulk(arg string) {
	f := strings.Fields(arg)
	h := bulkHost(f[0], must(strconv.Atoi(f[1])))
	info := must(peer.AddrInfoFromString(f[2]))
	ctx := context.Background()
	must(0, h.Connect(ctx, *info))
	s := must(h.NewStream(ctx, info.ID, bulkProtocol))
	n := must(io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{s}, make([]byte, 1<<20)))
	fmt.Println(n)
	waitForEnd()
}

func idle(string) {
	key := passingKey()
	start := time.Now()
	h := must(New(context.Background(), Config{Identity: key, NAT: nat.DefaultConfig()}))
	fmt.Println(time.Since(start))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = NewDiscovery(h, DiscoveryConfig{}).Run(ctx) }()
	time.Sleep(2 * time.Second) // what is measured: the memory after two seconds of idling, announcements included
	fmt.Println(status("VmRSS") >> 10)
	cancel()
	<-done
	must(0, h.Close())
	waitForEnd()
}

// waitForEnd waits for the end of the input and prints the peak.
func waitForEnd() {
	_, _ = io.Copy(io.Discard, os.Stdin)
	fmt.Println(status("VmHWM") >> 10)
}

// status reads a line of /proc/self/status, in KiB.
func status(key string) int {
	for line := range strings.Lines(string(must(os.ReadFile("/proc/self/status")))) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == key+":" {
			return must(strconv.Atoi(f[1]))
		}
	}
	return 0
}

// bulk is a child process that prints lines.
type bulk struct {
	b   *testing.B
	cmd *exec.Cmd
	in  io.Closer
	out *bufio.Scanner
}

func startBulk(b *testing.B, kind, arg string) *bulk {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), kind+"="+arg)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	return &bulk{b: b, cmd: cmd, in: in, out: bufio.NewScanner(out)}
}

func (p *bulk) line() string {
	p.b.Helper()
	if !p.out.Scan() {
		p.b.Fatal("the child process ended")
	}
	return p.out.Text()
}

// peak ends the process and returns its peak resident size in MiB.
func (p *bulk) peak() int {
	p.b.Helper()
	_ = p.in.Close()
	n, err := strconv.Atoi(p.line())
	if err != nil {
		p.b.Fatal(err)
	}
	if err := p.cmd.Wait(); err != nil {
		p.b.Fatal(err)
	}
	return n
}
