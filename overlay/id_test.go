package overlay

import (
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/ipfs/go-cid"
	"github.com/multiformats/go-multihash"
)

func randomID(r *rand.Rand) (id ID) {
	for i := range id {
		id[i] = byte(r.Uint32())
	}
	return id
}

// The arithmetic of IDs against math/big.
func TestIDArithmetic(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	modulus := new(big.Int).Lsh(big.NewInt(1), 256)
	num := func(id ID) *big.Int { return new(big.Int).SetBytes(id[:]) }
	for range 2000 {
		a, b, c := randomID(r), randomID(r), randomID(r)
		if r.IntN(2) == 0 { // near neighbours, so that long prefixes occur
			b = a
			b[r.IntN(32)] ^= byte(1 << r.IntN(8))
		}
		want := new(big.Int).Sub(num(a), num(b))
		want.Mod(want, modulus)
		if got := num(a.Sub(b)); got.Cmp(want) != 0 {
			t.Fatalf("%s - %s = %x, want %x", a, b, got, want)
		}
		x := new(big.Int).Xor(num(a), num(b))
		if num(a.Xor(b)).Cmp(x) != 0 {
			t.Fatalf("%s xor %s", a, b)
		}
		if got, want := a.CommonPrefixLen(b), 256-x.BitLen(); got != want {
			t.Fatalf("common prefix of %s and %s: %d, want %d", a, b, got, want)
		}
		if got, want := a.Compare(b), num(a).Cmp(num(b)); got != want {
			t.Fatalf("compare: %d, want %d", got, want)
		}
		nearer := x.Cmp(new(big.Int).Xor(num(a), num(c))) < 0
		if a.Closer(b, c) != nearer {
			t.Fatalf("closer: %v, want %v", !nearer, nearer)
		}
		if got, want := a.CompareDistance(b, c), x.Cmp(new(big.Int).Xor(num(a), num(c))); got != want || a.CompareDistance(b, b) != 0 {
			t.Fatalf("compare distance: %d, want %d", got, want)
		}
		i := r.IntN(256)
		if a.Bit(i) != int(num(a).Bit(255-i)) {
			t.Fatalf("bit %d of %s", i, a)
		}
	}
}

func TestIDText(t *testing.T) {
	a := randomID(rand.New(rand.NewPCG(3, 4)))
	text, err := a.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	var b ID
	if err := b.UnmarshalText(text); err != nil || a != b {
		t.Fatalf("%s came back as %s, %v", a, b, err)
	}
	for _, bad := range []string{"", "12", string(text) + "00", "zz" + string(text[2:])} {
		if err := b.UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("%q was read as an ID", bad)
		}
	}
}

// Every CID of the same bytes leads to the same place of the keyspace.
func TestContentKeyIgnoresVersionAndCodec(t *testing.T) {
	mh, err := multihash.Sum([]byte("hello world"), multihash.SHA2_256, -1)
	if err != nil {
		t.Fatal(err)
	}
	want := RawKey(mh)
	for _, c := range []cid.Cid{cid.NewCidV0(mh), cid.NewCidV1(cid.Raw, mh), cid.NewCidV1(cid.DagProtobuf, mh)} {
		if got := ContentKey(c); got != want {
			t.Errorf("%s has the key %s, want %s", c, got.ID(), want.ID())
		}
	}
}
