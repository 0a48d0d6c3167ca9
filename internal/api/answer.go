package api

import (
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"ringswap/internal/node"
)

// maxNotes bounds the notes that wait for a client that does not read.
const maxNotes = 16

// answer writes the frames, or blocks, of one call. A client that reads slowly,
// or is stopped, holds back items but never progress: of what it missed it gets
// the newest and the notes.
type answer struct {
	w      http.ResponseWriter
	rc     *http.ResponseController
	blocks bool // the answer is bytes: blocks instead of lines

	mu  sync.Mutex // held while writing
	err error      // of the connection; nothing is written after it

	queueMu sync.Mutex
	queue   []node.Progress // the last is the newest; the others have notes
	kick    chan struct{}   // has room for one: the queue is not empty
}

// newAnswer sends the headers, so that the client knows that it was heard.
func newAnswer(w http.ResponseWriter, blocks bool) *answer {
	a := &answer{w: w, rc: http.NewResponseController(w), blocks: blocks, kick: make(chan struct{}, 1)}
	kind := "application/x-ndjson"
	if blocks {
		kind = "application/octet-stream"
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
	a.err = a.rc.Flush()
	return a
}

// start runs the goroutine that writes progress and beats. The returned
// function stops it and waits.
func (a *answer) start(beat time.Duration) (stop func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(beat)
		defer tick.Stop()
		for {
			select {
			case <-quit:
				return
			case <-a.kick:
				a.mu.Lock()
				a.writeProgress()
				a.mu.Unlock()
			case <-tick.C:
				a.beat()
			}
		}
	}()
	return func() { close(quit); <-done }
}

// progress queues p and never waits for the client.
func (a *answer) progress(p node.Progress) {
	a.queueMu.Lock()
	if n := len(a.queue); n > 0 && (a.queue[n-1].Note == "" || n > maxNotes) {
		a.queue[n-1] = p
	} else {
		a.queue = append(a.queue, p)
	}
	a.queueMu.Unlock()
	select {
	case a.kick <- struct{}{}:
	default: // the writer is already due to look
	}
}

// frame writes f after the progress that came before it.
func (a *answer) frame(f frame) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.writeProgress()
	return a.writeFrame(f)
}

// fail ends the answer with e.
func (a *answer) fail(e *node.Error) {
	if !a.blocks {
		_ = a.frame(frame{Error: e}) // nobody is left to be told of a lost connection
		return
	}
	b, err := json.Marshal(e)
	if err != nil {
		return
	}
	_ = a.block(blockError, b)
}

// Write writes p as a block of data.
func (a *answer) Write(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		part := p[n:min(len(p), n+maxBlock)]
		if err := a.block(blockData, part); err != nil {
			return n, err
		}
		n += len(part)
	}
	return n, nil
}

func (a *answer) block(kind byte, payload []byte) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.write(appendBlockHeader(nil, kind, len(payload)))
	a.write(payload)
	return a.flush()
}

func (a *answer) beat() {
	if a.blocks {
		_ = a.block(blockBeat, nil) // a lost connection shows at the next data
		return
	}
	_ = a.frame(frame{Beat: true})
}

// writeProgress writes what is queued. The caller holds mu.
func (a *answer) writeProgress() {
	a.queueMu.Lock()
	queue := a.queue
	a.queue = nil
	a.queueMu.Unlock()
	if a.blocks {
		return
	}
	for i := range queue {
		_ = a.writeFrame(frame{Progress: &queue[i]}) // err stays for the next item
	}
}

// writeFrame writes and flushes one line. The caller holds mu.
func (a *answer) writeFrame(f frame) error {
	b, err := json.Marshal(f)
	if err != nil {
		return err
	}
	a.write(append(b, '\n'))
	return a.flush()
}

func (a *answer) write(b []byte) {
	if a.err == nil && len(b) > 0 {
		_, a.err = a.w.Write(b)
	}
}

func (a *answer) flush() error {
	if a.err == nil {
		a.err = a.rc.Flush()
	}
	return a.err
}
