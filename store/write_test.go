package store_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"ringswap/store"
	"ringswap/store/storetest"
)

// TestPutVerified: a block whose caller has hashed it is stored as Put would; one
// whose caller was wrong is found out when it is read.
func TestPutVerified(t *testing.T) {
	s := open(t, t.TempDir(), store.Config{})
	data := bytes.Repeat([]byte("x"), 5000)
	c := storetest.RawCid(data)
	if err := s.PutVerified(c, data); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Get(context.Background(), c); err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	other := storetest.RawCid([]byte("other"))
	if err := s.PutVerified(other, data); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(context.Background(), other); !errors.Is(err, store.ErrCorrupt) {
		t.Errorf("wrong bytes: %v", err)
	}
	if err := s.PutVerified(c, make([]byte, store.MaxBlockBytes+1)); !errors.Is(err, store.ErrTooLarge) {
		t.Errorf("too many bytes: %v", err)
	}
}
