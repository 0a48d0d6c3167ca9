package swap

import (
	"math/rand/v2"
	"testing"
)

// TestBufferPool: a buffer has the length that was asked for and less than twice
// the memory; what comes back is used again, and no more than the bound is kept.
func TestBufferPool(t *testing.T) {
	var p bufferPool
	r := rand.New(rand.NewPCG(1, 2))
	var out [][]byte
	for range 20_000 {
		if len(out) > 0 && r.IntN(2) == 0 {
			i := r.IntN(len(out))
			p.put(out[i])
			out[i] = out[len(out)-1]
			out = out[:len(out)-1]
		} else if len(out) < 64 {
			n := 1 + r.IntN(2<<r.IntN(20))
			b := p.get(n)
			if len(b) != n || n > tinyBuffer && cap(b) >= 2*n {
				t.Fatalf("%d bytes of %d for %d", len(b), cap(b), n)
			}
			out = append(out, b)
		}
		kept := 0
		for _, free := range p.idle {
			for _, b := range free {
				kept += cap(b)
			}
		}
		if kept != p.bytes || kept > maxIdle {
			t.Fatalf("%d bytes are kept, %d counted", kept, p.bytes)
		}
	}
	for range 100 {
		p.put(make([]byte, largeBuffer))
	}
	if p.bytes > maxIdle {
		t.Errorf("%d bytes are kept", p.bytes)
	}
	b := p.get(100 << 10)
	p.put(b)
	if again := p.get(120 << 10); &again[0] != &b[0] {
		t.Error("a buffer of the same size is not used again")
	}
}
