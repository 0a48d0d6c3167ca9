package blockhash_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/ipfs/go-cid"
	mh "github.com/multiformats/go-multihash"

	"ringswap/blockhash"
)

func TestVerify(t *testing.T) {
	data := []byte("some bytes")
	sum := func(code uint64, n int) cid.Cid {
		h, err := mh.Sum(data, code, n)
		if err != nil {
			t.Fatalf("%x: %v", code, err)
		}
		return cid.NewCidV1(cid.Raw, h)
	}
	for name, c := range map[string]cid.Cid{
		"sha2-256": sum(mh.SHA2_256, -1), "sha2-512": sum(mh.SHA2_512, -1),
		"sha3-256": sum(mh.SHA3_256, -1), "sha3-384": sum(mh.SHA3_384, -1), "sha3-512": sum(mh.SHA3_512, -1),
		"blake2b-256": sum(mh.BLAKE2B_MIN+31, -1), "blake2b-512": sum(mh.BLAKE2B_MAX, -1),
		"blake3": sum(mh.BLAKE3, -1), "identity": sum(mh.IDENTITY, -1),
		"cid v0": cid.NewCidV0(sum(mh.SHA2_256, -1).Hash()),
	} {
		if err := blockhash.Verify(c, data); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, wrong := range [][]byte{nil, []byte("some byteS"), append(bytes.Clone(data), 0)} {
			if err := blockhash.Verify(c, wrong); !errors.Is(err, blockhash.ErrMismatch) {
				t.Errorf("%s: %q passes: %v", name, wrong, err)
			}
		}
	}
	long, err := mh.Sum(make([]byte, 129), mh.IDENTITY, -1)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]cid.Cid{
		"sha1": sum(mh.SHA1, -1), "md5": sum(mh.MD5, -1), "murmur": sum(mh.MURMUR3X64_64, -1),
		"short sha2-256": sum(mh.SHA2_256, 31), "short blake3": sum(mh.BLAKE3, 16), "blake2b-160": sum(mh.BLAKE2B_MIN+19, -1),
		"long identity": cid.NewCidV1(cid.Raw, long), "undefined": cid.Undef,
	} {
		if err := blockhash.Check(c); !errors.Is(err, blockhash.ErrUntrusted) {
			t.Errorf("%s: %v", name, err)
		}
		if err := blockhash.Verify(c, data); !errors.Is(err, blockhash.ErrUntrusted) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestName: all versions and codecs of a CID have one name, and finding it costs
// no memory.
func TestName(t *testing.T) {
	hash, err := mh.Sum([]byte("x"), mh.SHA2_256, -1)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []cid.Cid{cid.NewCidV0(hash), cid.NewCidV1(cid.Raw, hash), cid.NewCidV1(cid.DagProtobuf, hash), cid.NewCidV1(cid.DagJSON, hash)} {
		n, err := blockhash.Of(c)
		if err != nil || n.Hash != string(hash) || n.Digest != string(hash[2:]) || n.Identity() {
			t.Errorf("%s: %+v, %v", c, n, err)
		}
		if allocs := testing.AllocsPerRun(100, func() { _, _ = blockhash.Of(c) }); allocs > 0 {
			t.Errorf("%s: %v allocations", c, allocs)
		}
	}
}

// FuzzParse: whatever is accepted as a name is a multihash as everyone reads it,
// and is the name of what it says.
func FuzzParse(f *testing.F) {
	for _, code := range []uint64{mh.SHA2_256, mh.BLAKE3, mh.IDENTITY, mh.SHA1} {
		hash, err := mh.Sum([]byte("x"), code, -1)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(hash))
		f.Add(string(hash[:len(hash)-1]))
	}
	f.Add("\x00\x80\x00") // an empty block, at greater length
	f.Add("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00")
	f.Fuzz(func(t *testing.T, s string) {
		n, ok := blockhash.Parse(s)
		d, err := mh.Decode([]byte(s))
		if ok && (err != nil || d.Code != n.Function || string(d.Digest) != n.Digest || n.Hash != s) {
			t.Fatalf("%x: %+v, %+v, %v", s, n, d, err)
		}
		if ok && n.Identity() && !n.Names([]byte(n.Digest)) {
			t.Fatalf("%x does not name itself", s)
		}
	})
}
