// Package storetest checks that a block store keeps its promises: a conformance
// suite ([Run]) and a random walk over a store and its model ([Walk]). The model
// is [Memory], a store of plain maps that is too simple to be wrong; the suite
// runs over it too. Start reading at [Store].
package storetest

import (
	"context"
	"encoding/binary"
	"errors"
	"iter"
	"testing"

	"github.com/ipfs/go-cid"
	mh "github.com/multiformats/go-multihash"

	"ringswap/store"
)

// Store is what the suite asks of a store: the methods of [store.Store], with
// the import of a file in one call.
type Store interface {
	Put(c cid.Cid, data []byte) error
	Get(ctx context.Context, c cid.Cid) ([]byte, error)
	Has(c cid.Cid) (bool, error)
	Size(c cid.Cid) (int, error)
	ReadAt(c cid.Cid, p []byte, off int64) (int, error)
	Locations(c cid.Cid) ([]store.Location, error)
	Import(f store.File, refs []store.Ref) error
	DropFile(path string) error
	Files(ctx context.Context) iter.Seq2[store.File, error]
	AddRoot(r store.Root) error
	Root(c cid.Cid) (store.Root, error)
	RemoveRoot(c cid.Cid) error
	Roots(ctx context.Context) iter.Seq2[store.Root, error]
	AddPin(p store.Pin) error
	Pin(c cid.Cid) (store.Pin, error)
	Unpin(c cid.Cid) error
	Pins(ctx context.Context) iter.Seq2[store.Pin, error]
	GC(ctx context.Context, o store.GCOptions) (store.GCStats, error)
	Usage() (store.Usage, error)
	Sync(ctx context.Context) error
}

// Wrap makes a store of package store a Store.
func Wrap(s *store.Store) Store { return wrapped{s} }

type wrapped struct{ *store.Store }

// Import registers a file with all its references.
func (w wrapped) Import(f store.File, refs []store.Ref) error {
	b, err := w.Begin()
	if err != nil {
		return err
	}
	defer b.Close()
	r, err := b.File(f)
	if err != nil {
		return err
	}
	if err := r.Add(refs...); err != nil {
		return errors.Join(err, r.Abort())
	}
	return r.Close()
}

// RawCid is the CID of data as a leaf.
func RawCid(data []byte) cid.Cid { return sum(cid.Raw, data) }

func sum(codec uint64, data []byte) cid.Cid {
	h, err := mh.Sum(data, mh.SHA2_256, -1)
	if err != nil {
		panic(err) // sha2-256 of bytes cannot fail
	}
	return cid.NewCidV1(codec, h)
}

// Node makes a block that links to others, in a format of this package's own.
func Node(salt uint64, links ...cid.Cid) (cid.Cid, []byte) {
	b := binary.BigEndian.AppendUint64([]byte{'N'}, salt)
	for _, l := range links {
		b = append(append(b, byte(l.ByteLen())), l.Bytes()...)
	}
	return sum(cid.DagProtobuf, b), b
}

// Links is the [store.GCOptions] Links of what Node makes.
func Links(_ cid.Cid, b []byte) (links []cid.Cid, err error) {
	if len(b) < 9 || b[0] != 'N' {
		return nil, errors.New("storetest: no node")
	}
	for b = b[9:]; len(b) > 0; {
		n := int(b[0])
		if len(b) < 1+n {
			return nil, errors.New("storetest: short node")
		}
		c, err := cid.Cast(b[1 : 1+n])
		if err != nil {
			return nil, err
		}
		links = append(links, c)
		b = b[1+n:]
	}
	return links, nil
}

// ok ends the test if err is not nil.
func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// collect returns everything that an enumeration has.
func collect[T any](t testing.TB, seq iter.Seq2[T, error]) (all []T) {
	t.Helper()
	for x, err := range seq {
		ok(t, err)
		all = append(all, x)
	}
	return all
}
