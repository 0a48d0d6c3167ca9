package wire

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/multiformats/go-varint"
)

// Version is the version of the protocol that this package speaks.
const Version = 1

// Bounds of what may be on the wire. Both sides hold them.
const (
	// MaxBlockData is the most data, in bytes, that one Block frame carries.
	MaxBlockData = 256 << 10
	// MaxFrame is the largest body of any frame, in bytes.
	MaxFrame = MaxBlockData + 64
	// MaxRange is the largest range, in bytes, that one Want asks for.
	MaxRange = 1 << 20
	// MaxBlock is the largest block, in bytes, that is served or accepted.
	MaxBlock = 2 << 20
	// MaxCid is the longest binary CID, in bytes.
	MaxCid = 128
	// MaxChunks is the largest number of chunks in a partial holder's bitmap. A
	// holder of more announces itself only once it is complete.
	MaxChunks = 1 << 22
	// MaxBitmap is the most bits, in bytes, that one Bitmap frame carries.
	MaxBitmap = 64 << 10
	// MaxRuns is the largest number of runs in one Have frame.
	MaxRuns = 1024
	// MaxSkipped is the largest body, in bytes, of an optional frame that the
	// receiver does not know and steps over.
	MaxSkipped = 64 << 10
)

// Type is the kind of a frame. Even types must be understood by the receiver;
// odd ones are optional, and a receiver that does not know one steps over it.
type Type uint64

// The frame types of version 1.
const (
	TypeHello  Type = 0
	TypeState  Type = 2
	TypeBitmap Type = 4
	TypeHave   Type = 6
	TypeWant   Type = 8
	TypeCancel Type = 10
	TypeBlock  Type = 12
	TypeRefuse Type = 14

	TypeChoke   Type = 1
	TypeUnchoke Type = 3
	TypeVouch   Type = 7
	TypePeers   Type = 9
)

// Optional reports whether a receiver that does not know t steps over it.
func (t Type) Optional() bool { return t&1 == 1 }

// ErrProtocol is wrapped by every error that says the peer broke the format.
var ErrProtocol = errors.New("swap: protocol violation")

func violation(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrProtocol, fmt.Sprintf(format, args...))
}

// AppendFrame appends a whole frame: type, length, body. It serves the types
// that have no message of their own here; a body over MaxFrame is a bug.
func AppendFrame(b []byte, t Type, body []byte) []byte {
	return append(appendHead(b, t, len(body)), body...)
}

func appendHead(b []byte, t Type, n int) []byte {
	return appendUint(appendUint(b, uint64(t)), uint64(n))
}

func appendUint(b []byte, v uint64) []byte {
	for v >= 0x80 {
		b = append(b, byte(v)|0x80)
		v >>= 7
	}
	return append(b, byte(v))
}

// takeUint reads a minimal varint of at most 63 bits from the front of b.
func takeUint(b []byte) (v uint64, rest []byte, err error) {
	v, n, err := varint.FromUvarint(b)
	if err != nil {
		return 0, nil, violation("%v", err)
	}
	return v, b[n:], nil
}

// takeOnly reads a varint that must be all that is left of b.
func takeOnly(b []byte) (uint64, error) {
	v, rest, err := takeUint(b)
	if err == nil && len(rest) != 0 {
		err = violation("%d bytes after the last field", len(rest))
	}
	return v, err
}

// Head is the start of a frame: its type and the length of its body in bytes.
type Head struct {
	Type Type
	Len  int
}

// Reader splits a stream into frames. It is not safe for concurrent use.
//
// After Next, the caller takes exactly one of Body, Skip, or for a Block frame
// Block and then Data for all its bytes.
type Reader struct {
	br  *bufio.Reader
	buf []byte // the last Body; grows to the largest control frame seen
}

// readBuffer is small: Block data is read past it, straight to its place, and
// what a header's read took too much of has to be copied twice.
const readBuffer = 4 << 10

// NewReader reads frames from r.
func NewReader(r io.Reader) *Reader { return &Reader{br: bufio.NewReaderSize(r, readBuffer)} }

// Next reads the head of the next frame. It returns io.EOF only between frames,
// io.ErrUnexpectedEOF within one.
func (r *Reader) Next() (Head, error) {
	if _, err := r.br.Peek(1); err != nil {
		return Head{}, err
	}
	t, err := r.uint()
	if err != nil {
		return Head{}, err
	}
	n, err := r.uint()
	if err != nil {
		return Head{}, err
	}
	if n > MaxFrame {
		return Head{}, violation("a frame of %d bytes", n)
	}
	return Head{Type: Type(t), Len: int(n)}, nil
}

func (r *Reader) uint() (uint64, error) {
	v, err := varint.ReadUvarint(r.br)
	switch {
	case err == nil:
		return v, nil
	case errors.Is(err, io.EOF):
		return 0, io.ErrUnexpectedEOF
	case errors.Is(err, varint.ErrOverflow), errors.Is(err, varint.ErrNotMinimal), errors.Is(err, varint.ErrUnderflow):
		return 0, violation("%v", err)
	}
	return 0, err
}

// Body reads the whole body of the frame that Next announced. It is valid until
// the next call.
func (r *Reader) Body(h Head) ([]byte, error) {
	if cap(r.buf) < h.Len {
		r.buf = make([]byte, max(h.Len, 512))
	}
	b := r.buf[:h.Len]
	return b, r.full(b)
}

// Skip steps over an optional frame that the caller does not know. It refuses
// a mandatory one.
func (r *Reader) Skip(h Head) error {
	if !h.Type.Optional() {
		return violation("unknown frame type %d", h.Type)
	}
	if h.Len > MaxSkipped {
		return violation("an optional frame of %d bytes", h.Len)
	}
	return r.Discard(h.Len)
}

// Discard steps over n bytes of a frame's body.
func (r *Reader) Discard(n int) error {
	_, err := r.br.Discard(n)
	return unexpected(err)
}

// Data reads part of a Block frame's data into p, at least one byte unless p is
// empty.
func (r *Reader) Data(p []byte) (int, error) {
	n, err := r.br.Read(p)
	if n > 0 {
		return n, nil
	}
	return n, unexpected(err)
}

func (r *Reader) full(p []byte) error {
	_, err := io.ReadFull(r.br, p)
	return unexpected(err)
}

// unexpected turns the end of the stream, which within a frame is an error,
// into one.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
