package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// sameSignal is the time in which two signals count as one: a process that is
// signalled by its parent may get the signal of its group, too.
const sameSignal = 500 * time.Millisecond

// untilSignal returns a context that ends at the first Ctrl-C or request to
// terminate. The second one ends the process at once, which the store survives.
// A terminal that closes counts, unless the process is to outlive it (nohup).
func untilSignal(ctx context.Context, stderr io.Writer) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	signals := make(chan os.Signal, 2)
	wanted := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		wanted = append(wanted, syscall.SIGHUP)
	}
	signal.Notify(signals, wanted...)
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		var first time.Time
		for {
			select {
			case <-signals:
			case <-quit:
				return
			}
			switch now := time.Now(); {
			case first.IsZero():
				first = now
				cancel()
			case now.Sub(first) > sameSignal:
				fmt.Fprintln(stderr, "stopped at once")
				os.Exit(exitInterrupted)
			}
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(quit)
		<-done
		cancel()
	}
}
