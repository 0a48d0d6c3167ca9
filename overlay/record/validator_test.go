package record_test

import (
	"crypto/rand"
	"errors"
	"testing"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"

	"ringswap/overlay"
	"ringswap/overlay/record"
)

func publicKey(t *testing.T) (key, value []byte) {
	t.Helper()
	_, pub, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	id, err := peer.IDFromPublicKey(pub)
	if err != nil {
		t.Fatal(err)
	}
	value, err = crypto.MarshalPublicKey(pub)
	if err != nil {
		t.Fatal(err)
	}
	return append([]byte("/pk/"), id...), value
}

func TestPublicKeys(t *testing.T) {
	key, value := publicKey(t)
	other, _ := publicKey(t)
	for _, v := range []record.Validator{record.PublicKeys{}, record.Namespaces{"pk": record.PublicKeys{}}} {
		if err := v.Validate(key, value); err != nil {
			t.Error(err)
		}
		for name, err := range map[string]error{
			"another's key": v.Validate(other, value),
			"no key":        v.Validate(key, []byte("value")),
			"nothing":       v.Validate(key, nil),
			"no namespace":  v.Validate(key[1:], value),
			"another one":   v.Validate([]byte("/ipns/x"), value),
			"half a one":    v.Validate([]byte("/pk"), value),
		} {
			if !errors.Is(err, overlay.ErrRefused) {
				t.Errorf("%T: %s: %v", v, name, err)
			}
		}
		if v.Better(key, value, value) {
			t.Errorf("%T: a value is better than itself", v)
		}
	}
}
