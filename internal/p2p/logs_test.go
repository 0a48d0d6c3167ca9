package p2p

import (
	"bytes"
	"log"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/libp2p/go-libp2p/gologshim"
)

func TestCaptureLogs(t *testing.T) {
	defer log.SetFlags(log.Flags())
	defer log.SetOutput(log.Writer())
	defer gologshim.SetDefaultHandler(slog.DiscardHandler) // libp2p's loggers may keep what they find
	var out lockedBuffer
	for level, want := range map[slog.Level]int{slog.LevelDebug: 2, slog.LevelInfo: 0} {
		out.reset()
		CaptureLogs(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: level}))
		gologshim.Logger("test-"+level.String()).Error("the sky falls", "piece", 1)
		log.Printf("[zeroconf] %s", "nothing there")
		if got := out.String(); strings.Count(got, "level=DEBUG") != want || strings.Count(got, "\n") != want {
			t.Errorf("at level %v:\n%s", level, got)
		}
	}
}

// lockedBuffer may be written to while it is read.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *lockedBuffer) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.b.Reset()
}
