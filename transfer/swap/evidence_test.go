package swap

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
)

// accuse makes bad copies of a block out of what a random crowd gives, cut anywhere,
// and compares what the evidence says with what each of the crowd did.
func accuse(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 11))
	good := make([]byte, 1+rng.IntN(4000))
	fill(rng, good)
	honest, liars := 1+rng.IntN(5), 1+rng.IntN(5)
	var bad evidence
	spoiled := make(map[peer.ID]int)
	for range 1 + rng.IntN(8) {
		size := len(good)
		if rng.IntN(4) == 0 {
			size = 1 + rng.IntN(2*size) // a copy of another length
		}
		data := make([]byte, size)
		copy(data, good)
		var parts []part
		for off := 0; off < size; {
			n := 1 + rng.IntN(size-off)
			p := part{off: off, data: data[off : off+n], from: peer.ID(fmt.Sprint("honest", rng.IntN(honest)))}
			if rng.IntN(2) == 0 || off+n > len(good) {
				p.from = peer.ID(fmt.Sprint("liar", rng.IntN(liars)))
				if rng.IntN(3) > 0 {
					p.data[rng.IntN(n)] ^= 1 + byte(rng.IntN(255))
				}
			}
			parts = append(parts, p)
			off += n
		}
		for _, c := range bad.claimsOf(parts, maxAllClaims) {
			bad = append(bad, c)
			p := parts[slices.IndexFunc(parts, func(p part) bool { return p.off == c.off && p.from == c.from })]
			if end := p.off + len(p.data); end > len(good) || !slices.Equal(p.data, good[p.off:end]) {
				spoiled[p.from] += len(p.data)
			}
		}
	}
	if len(bad) > maxClaims {
		t.Fatalf("seed %d: %d claims", seed, len(bad))
	}
	found := bad.liars(good)
	for _, l := range found {
		if spoiled[l.id] != l.bytes {
			t.Errorf("seed %d: %s is said to have spoiled %d bytes, and did %d", seed, l.id, l.bytes, spoiled[l.id])
		}
		delete(spoiled, l.id)
	}
	if len(spoiled) > 0 {
		t.Errorf("seed %d: not found: %v", seed, spoiled)
	}
}

func fill(rng *rand.Rand, b []byte) {
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
}

func TestEvidenceFindsLiarsAlone(t *testing.T) {
	for seed := range uint64(500) {
		accuse(t, seed)
	}
}

// FuzzEvidence looks for a crowd of which somebody is wrongly accused, or gets away.
func FuzzEvidence(f *testing.F) {
	f.Add(uint64(1))
	f.Add(uint64(1 << 40))
	f.Fuzz(accuse)
}

// TestEvidenceIsBounded: however many copies are bad, a block remembers so many claims,
// none of them twice, and no more than the session has room for.
func TestEvidenceIsBounded(t *testing.T) {
	var bad evidence
	same := []part{{data: []byte("x"), from: "a"}}
	for i := range 3 * maxClaims {
		parts := []part{{off: i, data: []byte("y"), from: "a"}, {off: i, data: []byte("y"), from: "b"}}
		bad = append(bad, bad.claimsOf(append(parts, same...), maxAllClaims)...)
	}
	if len(bad) != maxClaims {
		t.Errorf("%d claims of one block", len(bad))
	}
	if n := len(evidence(nil).claimsOf(append(same, part{data: []byte("z")}), 1)); n != 1 {
		t.Errorf("%d claims where there is room for one", n)
	}
	if n := len(evidence(nil).claimsOf(same, -1)); n != 0 {
		t.Errorf("%d claims where there is no room", n)
	}
	once := evidence(nil).claimsOf(same, 9)
	if n := len(once.claimsOf(same, 9)); n != 0 {
		t.Errorf("the same claim is remembered %d times more", n)
	}
}
