package dag

import (
	"errors"
	"testing"

	"github.com/ipfs/go-cid"
	mh "github.com/multiformats/go-multihash"
)

func TestVerify(t *testing.T) {
	data := []byte("hello world")
	for _, hash := range []uint64{mh.SHA2_256, mh.SHA2_512, mh.SHA3_256, mh.SHA3_384, mh.SHA3_512, mh.BLAKE2B_MIN + 31, mh.BLAKE2B_MAX, mh.BLAKE3, mh.IDENTITY} {
		for _, codec := range []uint64{cid.Raw, cid.DagProtobuf} {
			p := cid.Prefix{Version: 1, Codec: codec, MhType: hash, MhLength: -1}
			if hash == mh.BLAKE3 {
				p.MhLength = 32
			}
			c := must(p.Sum(data))
			if err := Verify(c, data); err != nil {
				t.Errorf("hash 0x%x: %v", hash, err)
			}
			for _, other := range []string{"", "hello worle", "hello world "} {
				if err := Verify(c, []byte(other)); !errors.Is(err, ErrHashMismatch) {
					t.Errorf("hash 0x%x of %q: %v", hash, other, err)
				}
			}
			if p.MhLength = 20; hash == mh.SHA2_256 || hash == mh.BLAKE3 {
				if err := Verify(must(p.Sum(data)), data); !errors.Is(err, ErrUnsupported) {
					t.Errorf("hash 0x%x, cut: %v", hash, err)
				}
			}
		}
	}
	v0 := cid.NewCidV0(must(mh.Sum(data, mh.SHA2_256, -1)))
	if err := Verify(v0, data); err != nil {
		t.Error(err)
	}
	long := must(cid.Prefix{Version: 1, Codec: cid.Raw, MhType: mh.IDENTITY, MhLength: -1}.Sum(make([]byte, 129)))
	for _, c := range []cid.Cid{{}, long, must(cid.Prefix{Version: 1, Codec: cid.Raw, MhType: mh.MD5, MhLength: -1}.Sum(data)), cid.NewCidV1(cid.GitRaw, v0.Hash())} {
		if err := Verify(c, data); !errors.Is(err, ErrUnsupported) {
			t.Errorf("%s: %v", c, err)
		}
	}
}
