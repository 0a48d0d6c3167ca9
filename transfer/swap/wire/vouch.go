package wire

import (
	"errors"
	"fmt"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
)

// Bounds of names and signatures, in bytes.
const (
	// MaxPeerID is the longest binary peer ID.
	MaxPeerID = 64
	// MaxSignature is the longest signature: that of an RSA key of 4,096 bits.
	MaxSignature = 512
)

// ErrSignature is wrapped by the error that says that a Vouch is not By's word.
// It is not a violation by itself: whoever brings it may have been given it so.
var ErrSignature = errors.New("swap: a vouch is not signed by who it names")

// Vouch is a peer's signed word about another: of the blocks of Root, By has
// received Bytes from For, in all, until At. It stands for itself, so whoever has
// it may show it to anybody.
type Vouch struct {
	Root      cid.Cid
	By, For   peer.ID
	Bytes     uint64
	At        uint64 // milliseconds since 1970 UTC
	Signature []byte
}

// vouchDomain is signed with every vouch, so that no other protocol's signature
// passes for one.
const vouchDomain = "/swap/1/vouch\n"

// signed is the frame's body but for the signature, after prefix.
func (m Vouch) signed(prefix string) []byte {
	b := make([]byte, 0, len(prefix)+3*MaxPeerID+MaxCid)
	b = append(b, prefix...)
	b = appendBytes(b, m.Root.Bytes())
	b = appendBytes(b, []byte(m.By))
	b = appendBytes(b, []byte(m.For))
	return appendUint(appendUint(b, m.Bytes), m.At)
}

// Sign returns m signed with the key, which must be that of By.
func (m Vouch) Sign(key crypto.PrivKey) (Vouch, error) {
	sig, err := key.Sign(m.signed(vouchDomain))
	if err != nil {
		return Vouch{}, fmt.Errorf("swap: sign a vouch: %w", err)
	}
	m.Signature = sig
	return m, nil
}

// Verify checks that the key is By's and signed m. The error wraps ErrSignature.
func (m Vouch) Verify(key crypto.PubKey) error {
	if key == nil || !m.By.MatchesPublicKey(key) {
		return fmt.Errorf("%w: no key of %s", ErrSignature, m.By)
	}
	if ok, err := key.Verify(m.signed(vouchDomain), m.Signature); err != nil || !ok {
		return fmt.Errorf("%w: %s", ErrSignature, m.By)
	}
	return nil
}

// Append appends the frame to b.
func (m Vouch) Append(b []byte) []byte {
	return AppendFrame(b, TypeVouch, appendBytes(m.signed(""), m.Signature))
}

// ParseVouch parses the body of a Vouch frame. It copies what it keeps. The
// signature is not looked at.
func ParseVouch(b []byte) (m Vouch, err error) {
	if m.Root, b, err = takeCid(b); err != nil {
		return Vouch{}, err
	}
	if m.By, b, err = takePeer(b); err != nil {
		return Vouch{}, err
	}
	if m.For, b, err = takePeer(b); err != nil {
		return Vouch{}, err
	}
	if m.Bytes, b, err = takeUint(b); err != nil {
		return Vouch{}, err
	}
	if m.At, b, err = takeUint(b); err != nil {
		return Vouch{}, err
	}
	sig, b, err := takeBytes(b, MaxSignature)
	switch {
	case err != nil:
		return Vouch{}, err
	case len(b) != 0:
		return Vouch{}, violation("%d bytes after Vouch", len(b))
	case m.By == m.For:
		return Vouch{}, violation("a vouch of a peer for itself")
	}
	m.Signature = append([]byte(nil), sig...)
	return m, nil
}

// takeBytes reads a length and so many bytes, at least one. They alias b.
func takeBytes(b []byte, most int) (p, rest []byte, err error) {
	n, b, err := takeUint(b)
	if err != nil {
		return nil, nil, err
	}
	if n == 0 || n > uint64(most) || n > uint64(len(b)) {
		return nil, nil, violation("a field of %d bytes", n)
	}
	return b[:n:n], b[n:], nil
}

// takePeer reads a length-prefixed binary peer ID.
func takePeer(b []byte) (peer.ID, []byte, error) {
	p, b, err := takeBytes(b, MaxPeerID)
	if err != nil {
		return "", nil, err
	}
	id, err := peer.IDFromBytes(p)
	if err != nil {
		return "", nil, violation("%v", err)
	}
	return id, b, nil
}
