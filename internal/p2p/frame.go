package p2p

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"ringswap/overlay"
)

// A frame is an unsigned varint with the length of the message, then the
// message: the framing of libp2p's protobuf protocols.

// maxFrameHeader is the longest varint of a length that fits 32 bits.
const maxFrameHeader = 5

// frameStep is how much is allocated for a message before any of it has
// arrived. A peer that promises more must send it to make this node hold it.
const frameStep = 4 << 10

// appendFrame appends the frame of msg to b.
func appendFrame(b, msg []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(msg)))
	return append(b, msg...)
}

// byteReader is what frames are read from: a bufio.Reader in practice, so that
// single bytes are cheap.
type byteReader interface {
	io.Reader
	io.ByteReader
}

// readFrameLen reads the length that begins a frame. A clean end of the stream
// before the first byte is io.EOF; a length over limit, or one that is not in
// its shortest form, is overlay.ErrBadMessage.
func readFrameLen(r byteReader, limit int) (int, error) {
	var n uint64
	for i := range maxFrameHeader {
		b, err := r.ReadByte()
		if err != nil {
			if i > 0 && errors.Is(err, io.EOF) {
				err = fmt.Errorf("%w: the stream ends within a length", overlay.ErrBadMessage)
			}
			return 0, err
		}
		n |= uint64(b&0x7f) << (7 * i)
		if b < 0x80 {
			if i > 0 && b == 0 {
				return 0, fmt.Errorf("%w: a length with a needless byte", overlay.ErrBadMessage)
			}
			if n > uint64(limit) {
				return 0, fmt.Errorf("%w: %d bytes, more than %d", overlay.ErrBadMessage, n, limit)
			}
			return int(n), nil
		}
	}
	return 0, fmt.Errorf("%w: a length of more than %d bytes", overlay.ErrBadMessage, maxFrameHeader)
}

// readFrameBody reads the n bytes of a message into a new slice. It allocates
// no more than twice what has arrived.
func readFrameBody(r io.Reader, n int) ([]byte, error) {
	msg := make([]byte, 0, min(n, frameStep))
	for len(msg) < n {
		if len(msg) == cap(msg) {
			bigger := make([]byte, len(msg), min(n, 2*cap(msg)))
			copy(bigger, msg)
			msg = bigger
		}
		k, err := r.Read(msg[len(msg):min(n, cap(msg))])
		msg = msg[:len(msg)+k]
		if err != nil && len(msg) < n {
			if errors.Is(err, io.EOF) {
				err = fmt.Errorf("%w: the stream ends after %d of %d bytes", overlay.ErrBadMessage, len(msg), n)
			}
			return nil, err
		}
	}
	return msg, nil
}

// readFrame reads one whole message.
func readFrame(r byteReader, limit int) ([]byte, error) {
	n, err := readFrameLen(r, limit)
	if err != nil {
		return nil, err
	}
	return readFrameBody(r, n)
}
