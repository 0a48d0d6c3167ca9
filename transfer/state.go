package transfer

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/ipfs/go-cid"
)

// The state file lies beside a part file and says which chunks are in it.
//
//	0                header: magic, root CID, digest of the manifest, number of chunks, sha256 of that
//	4096             slot 0: sequence number, bitmap, sha256 of the header's checksum and these
//	4096 + slot      slot 1
//	4096 + 2*slot    notes: a bitmap without checksum
//
// A slot claims chunks that have been synced to disk before the slot was
// written. Slots are written in turn, so that one of them is whole whatever
// happens; the one with the higher number counts. Notes name chunks that were
// written but perhaps not synced. They survive the end of the process but not
// the loss of power, and nobody relies on them: after an end that was no end of
// the machine they say what is worth hashing rather than fetching again.
const (
	stateMagic   = "ringswap part 1\n"
	statePage    = 4096
	maxStateRoot = 255 // bytes of a CID
)

// stateID is what a state file is about.
type stateID struct {
	root   cid.Cid
	digest [sha256.Size]byte // of the manifest
	chunks int
}

func (id stateID) equal(o stateID) bool {
	return id.root.Equals(o.root) && id.digest == o.digest && id.chunks == o.chunks
}

// slotBytes is the length of a slot: whole pages, so that slots are not torn
// together.
func (id stateID) slotBytes() int64 {
	n := int64(8 + (id.chunks+7)/8 + sha256.Size)
	return (n + statePage - 1) / statePage * statePage
}

func (id stateID) slotAt(slot int) int64 { return statePage + int64(slot)*id.slotBytes() }
func (id stateID) notesAt() int64        { return id.slotAt(2) }
func (id stateID) size() int64           { return id.notesAt() + int64((id.chunks+7)/8) }

func (id stateID) header() []byte {
	b := append([]byte(stateMagic), byte(id.root.ByteLen()))
	b = append(b, id.root.Bytes()...)
	b = append(b, id.digest[:]...)
	b = binary.BigEndian.AppendUint32(b, uint32(id.chunks))
	sum := sha256.Sum256(b)
	return append(b, sum[:]...)
}

var errBadState = errors.New("damaged state file")

// parseHeader reads the beginning of a state file.
func parseHeader(b []byte) (id stateID, err error) {
	whole := b
	cut := func(n int) (part []byte) {
		if len(b) < n {
			err = errBadState
			return make([]byte, n)
		}
		part, b = b[:n], b[n:]
		return part
	}
	if string(cut(len(stateMagic))) != stateMagic {
		return id, errBadState
	}
	root := cut(int(cut(1)[0]))
	copy(id.digest[:], cut(sha256.Size))
	chunks := binary.BigEndian.Uint32(cut(4))
	sum := sha256.Sum256(whole[:len(whole)-len(b)])
	if !bytes.Equal(cut(sha256.Size), sum[:]) || err != nil || chunks > maxStateChunks {
		return id, errBadState
	}
	n, c, err := cid.CidFromBytes(root)
	if err != nil || n != len(root) {
		return id, errBadState
	}
	id.root, id.chunks = c, int(chunks)
	return id, nil
}

// maxStateChunks bounds what is believed about the length of a state file.
const maxStateChunks = 1 << 26

// slot is the byte form of a claim.
func (id stateID) slot(seq uint64, have *Bitmap) []byte {
	b := binary.BigEndian.AppendUint64(nil, seq)
	b = append(b, have.Bytes()...)
	return append(b, id.seal(b)...)
}

// seal is the checksum of a slot of this state file and no other.
func (id stateID) seal(slot []byte) []byte {
	h := sha256.New()
	head := id.header()
	h.Write(head[len(head)-sha256.Size:])
	h.Write(slot)
	return h.Sum(nil)
}

func (id stateID) parseSlot(b []byte) (seq uint64, have *Bitmap, err error) {
	n := 8 + (id.chunks+7)/8
	if len(b) < n+sha256.Size || !bytes.Equal(b[n:][:sha256.Size], id.seal(b[:n])) {
		return 0, nil, errBadState
	}
	have, err = ParseBitmap(b[8:n], id.chunks)
	return binary.BigEndian.Uint64(b), have, err
}

// claims is what a state file says.
type claims struct {
	id      stateID
	seq     uint64
	durable *Bitmap
	noted   *Bitmap // nil if there are none to be read
}

// readState reads a state file. An error is errBadState or about reading.
func readState(r io.ReaderAt) (claims, error) {
	head := make([]byte, len(stateMagic)+1+maxStateRoot+sha256.Size+4+sha256.Size)
	n, err := r.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return claims{}, err
	}
	id, err := parseHeader(head[:n])
	if err != nil {
		return claims{}, err
	}
	c := claims{id: id}
	blank, err := c.readSlots(r)
	if err != nil {
		return c, err
	}
	if c.durable == nil && !blank {
		return c, errBadState
	}
	if c.durable == nil {
		c.durable = NewBitmap(id.chunks)
	}
	notes := make([]byte, (id.chunks+7)/8)
	if _, err := r.ReadAt(notes, id.notesAt()); err == nil {
		c.noted, _ = ParseBitmap(notes, id.chunks) // notes that make no sense are none
	}
	return c, nil
}

// readSlots finds the newest whole slot. blank reports that none was ever
// written.
func (c *claims) readSlots(r io.ReaderAt) (blank bool, err error) {
	blank = true
	b := make([]byte, 8+(c.id.chunks+7)/8+sha256.Size)
	for slot := range 2 {
		if _, err := r.ReadAt(b, c.id.slotAt(slot)); err != nil {
			if errors.Is(err, io.EOF) {
				return false, nil
			}
			return false, err
		}
		blank = blank && len(bytes.TrimLeft(b, "\x00")) == 0
		seq, have, err := c.id.parseSlot(b)
		if err == nil && (c.durable == nil || seq > c.seq) {
			c.seq, c.durable = seq, have
		}
	}
	return blank, nil
}

// stateFile is an open, locked state file.
type stateFile struct {
	f   *os.File
	id  stateID
	seq uint64
}

// ours says, as an error, that the file was never a state file.
func (s *stateFile) ours() error {
	b := make([]byte, len(stateMagic))
	n, err := s.f.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if b = b[:n]; string(b) != stateMagic[:n] && len(bytes.TrimLeft(b, "\x00")) > 0 {
		return errors.New("it is no state file")
	}
	return nil
}

// reset begins the file anew, with nothing claimed.
func (s *stateFile) reset(id stateID) error {
	s.id, s.seq = id, 0
	if err := s.f.Truncate(0); err != nil {
		return err
	}
	b := make([]byte, id.size()) // real zeros: later writes must not run out of disk
	copy(b, id.header())
	_, err := s.f.WriteAt(b, 0)
	return diskError(err)
}

// claim records chunks that are on disk for good, and comes back when that
// record is too.
func (s *stateFile) claim(have *Bitmap) error {
	s.seq++
	if _, err := s.f.WriteAt(s.id.slot(s.seq, have), s.id.slotAt(int(s.seq%2))); err != nil {
		return diskError(err)
	}
	return s.f.Sync()
}

// note records that the chunks in the same byte of the bitmap as chunk i were
// written as have says.
func (s *stateFile) note(have *Bitmap, i int) {
	// An error is no matter: notes only save work.
	_, _ = s.f.WriteAt(have.Bytes()[i/8:i/8+1], s.id.notesAt()+int64(i/8))
}

// noteAll replaces all notes.
func (s *stateFile) noteAll(have *Bitmap) { _, _ = s.f.WriteAt(have.Bytes(), s.id.notesAt()) }

func (id stateID) String() string { return fmt.Sprintf("%s in %d chunks", id.root, id.chunks) }
