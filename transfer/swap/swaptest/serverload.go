package swaptest

import (
	"bytes"
	"runtime"
	"testing"
	"time"

	"ringswap/transfer/swap/wire"
)

// serverFlood sends far more Wants than a server takes and reads no answer at
// first: memory stays bounded, every Want is answered once, others are served.
func serverFlood(t *testing.T, start startServer) {
	f := NewContent(1, 64, 1<<20)
	to := start(t, Seed(f))
	c := Dial(t, Host(t), to)
	c.Hello(f.Root)
	before := heap()
	const n = 1_000_000
	sent := make(chan int)
	go func() {
		done := 0
		defer func() { sent <- done }()
		for done < n {
			var b []byte
			for range 100 {
				b = wire.Want{ID: uint64(done), Cid: f.Chunks[done%len(f.Chunks)].Cid, Length: 1 << 16}.Append(b)
				done++
			}
			_ = c.S.SetWriteDeadline(time.Now().Add(time.Second))
			if _, err := c.S.Write(b); err != nil {
				return // held back, or thrown out
			}
		}
	}()
	honest := Dial(t, Host(t), to)
	honest.Hello(f.Root)
	for i := range f.Chunks {
		honest.Send(wire.Want{ID: uint64(i), Cid: f.Chunks[i].Cid})
		if a := honest.Answers(1)[uint64(i)]; !bytes.Equal(a.Data, f.Data[i]) {
			t.Fatalf("chunk %d for an honest peer beside a flood: refused %v (%s)", i, a.Refused, a.Reason)
		}
	}
	<-sent
	if grown := heap() - before; grown > 64<<20 {
		t.Errorf("a flood of wants holds %d MiB", grown>>20)
	}
}

// heap is the memory in use after a collection, in bytes.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// serverSlowReaders asks for much from many connections and takes nothing: they
// are thrown out, and an honest peer is served all the while.
func serverSlowReaders(t *testing.T, start startServer) {
	f := NewContent(1, 64, 1<<20)
	to := start(t, Seed(f))
	var slow []*Conn
	for range 12 {
		c := Dial(t, Host(t), to)
		_ = c.S.SetDeadline(time.Now().Add(30 * time.Second))
		c.Hello(f.Root)
		var b []byte
		for i := range uint64(60) {
			b = wire.Want{ID: i, Cid: f.Chunks[i].Cid, Length: 1 << 20}.Append(b)
		}
		c.Write(b)
		slow = append(slow, c)
	}
	honest := Dial(t, Host(t), to)
	honest.Hello(f.Root)
	began := time.Now()
	for i := range f.Chunks {
		_ = honest.S.SetDeadline(time.Now().Add(20 * time.Second))
		honest.Send(wire.Want{ID: uint64(i), Cid: f.Chunks[i].Cid})
		if a := honest.Answers(1)[uint64(i)]; !bytes.Equal(a.Data, f.Data[i]) {
			t.Fatalf("chunk %d for an honest peer beside slow ones: refused %v (%s)", i, a.Refused, a.Reason)
		}
	}
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("an honest peer needed %v beside slow ones", took)
	}
	for _, c := range slow {
		c.ThrownOut()
	}
}

// ThrownOut waits, without reading anything, until the other side has reset the
// stream.
func (c *Conn) ThrownOut() {
	c.T.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); <-tick.C {
		if c.Put(wire.Cancel{ID: 1}) != nil {
			return
		}
	}
	c.T.Error("a peer that takes nothing is kept")
}

// serverSilent says nothing at all, and is thrown out.
func serverSilent(t *testing.T, start startServer) {
	c := Dial(t, Host(t), start(t, NewSource()))
	c.Write([]byte{byte(wire.TypeHello)})
	if code := c.Ends(); code == 0 {
		t.Error("ended without a code")
	}
}
