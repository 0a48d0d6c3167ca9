package record

import (
	"bytes"
	"fmt"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"

	"ringswap/overlay"
)

// Validator decides what is a valid value of a key, and which of several valid
// ones is best. It is pure: the same question always has the same answer. Keys
// are pre-images, such as "/pk/" and a peer ID.
type Validator interface {
	// Validate returns an error if value may not stand under key.
	Validate(key, value []byte) error
	// Better reports whether a is strictly better than b, both being valid.
	Better(key, a, b []byte) bool
}

// Namespaces is the Validator that asks the one under the first part of the key
// ("pk" for "/pk/..."), and refuses what has none.
type Namespaces map[string]Validator

var _ Validator = Namespaces{}

// Validate implements [Validator].
func (n Namespaces) Validate(key, value []byte) error {
	v := n.of(key)
	if v == nil {
		return fmt.Errorf("%w: no validator for the key %.20q", overlay.ErrRefused, key)
	}
	return v.Validate(key, value)
}

// Better implements [Validator].
func (n Namespaces) Better(key, a, b []byte) bool {
	v := n.of(key)
	return v != nil && v.Better(key, a, b)
}

func (n Namespaces) of(key []byte) Validator {
	rest, ok := bytes.CutPrefix(key, []byte("/"))
	if !ok {
		return nil
	}
	name, _, ok := bytes.Cut(rest, []byte("/"))
	if !ok {
		return nil
	}
	return n[string(name)]
}

// PublicKeys is the Validator of the public protocol's /pk/ records: the public
// key of the peer whose ID follows. There is only one valid value.
type PublicKeys struct{}

var _ Validator = PublicKeys{}

// Validate implements [Validator].
func (PublicKeys) Validate(key, value []byte) error {
	id, ok := bytes.CutPrefix(key, []byte("/pk/"))
	if !ok {
		return fmt.Errorf("%w: not a /pk/ key", overlay.ErrRefused)
	}
	pub, err := crypto.UnmarshalPublicKey(value)
	if err != nil {
		return fmt.Errorf("%w: %w", overlay.ErrRefused, err)
	}
	owner, err := peer.IDFromPublicKey(pub)
	if err != nil {
		return fmt.Errorf("%w: %w", overlay.ErrRefused, err)
	}
	if string(owner) != string(id) {
		return fmt.Errorf("%w: the public key is another peer's", overlay.ErrRefused)
	}
	return nil
}

// Better implements [Validator].
func (PublicKeys) Better(_, _, _ []byte) bool { return false }
