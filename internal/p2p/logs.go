package p2p

import (
	"context"
	"log"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p/gologshim"
)

// CaptureLogs sends everything that the libraries beneath say to h, as debug
// messages: what libp2p calls an error (a router that maps no ports, a listener
// that was closed) is not one to a user, and what is one comes back as an error
// value. It acts on the whole process; a program calls it once, before New.
func CaptureLogs(h slog.Handler) {
	d := demoted{h}
	gologshim.SetDefaultHandler(d)
	log.SetFlags(0)
	log.SetOutput(lineWriter{d}) // zeroconf and quic-go use the standard logger
	// quic-go advises to raise kernel limits; that is for an operator's page.
	_ = os.Setenv("QUIC_GO_DISABLE_RECEIVE_BUFFER_WARNING", "true") // fails for bad names only
}

// demoted is a handler for which everything is at debug level.
type demoted struct{ slog.Handler }

func (d demoted) Enabled(ctx context.Context, _ slog.Level) bool {
	return d.Handler.Enabled(ctx, slog.LevelDebug)
}

func (d demoted) Handle(ctx context.Context, r slog.Record) error {
	if r.Level > slog.LevelDebug {
		r.AddAttrs(slog.String("said_as", r.Level.String()))
		r.Level = slog.LevelDebug
	}
	return d.Handler.Handle(ctx, r)
}

func (d demoted) WithAttrs(attrs []slog.Attr) slog.Handler {
	return demoted{d.Handler.WithAttrs(attrs)}
}

func (d demoted) WithGroup(name string) slog.Handler { return demoted{d.Handler.WithGroup(name)} }

// lineWriter makes a record of each line of the standard logger.
type lineWriter struct{ h slog.Handler }

func (w lineWriter) Write(b []byte) (int, error) {
	ctx := context.Background()
	if !w.h.Enabled(ctx, slog.LevelDebug) {
		return len(b), nil
	}
	r := slog.NewRecord(time.Now(), slog.LevelDebug, strings.TrimRight(string(b), "\n"), 0)
	return len(b), w.h.Handle(ctx, r)
}
