package api

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"

	"ringswap/internal/node"
)

// The kinds of block in the answer to "cat".
const (
	blockData  = 'd'
	blockBeat  = 'b'
	blockEnd   = 'z'
	blockError = 'e'
)

const (
	blockHeader = 5       // kind and length
	maxBlock    = 1 << 20 // bytes of payload
)

// appendBlockHeader appends the header of a block with n bytes of payload.
func appendBlockHeader(b []byte, kind byte, n int) []byte {
	return binary.BigEndian.AppendUint32(append(b, kind), uint32(n))
}

// readBlocks copies the data of an answer to w until its end. It returns the
// error that the other side sent, io.ErrUnexpectedEOF if the answer breaks off,
// or a writeError.
func readBlocks(r io.Reader, w io.Writer) error {
	var header [blockHeader]byte
	buf := make([]byte, 64<<10)
	for {
		if _, err := io.ReadFull(r, header[:]); err != nil {
			return unexpected(err)
		}
		n := int64(binary.BigEndian.Uint32(header[1:]))
		if n > maxBlock {
			return fmt.Errorf("%w: a block of %d bytes", errBadFrame, n)
		}
		switch kind := header[0]; {
		case kind == blockData:
			if err := copyBlock(r, w, n, buf); err != nil {
				return err
			}
		case kind == blockBeat && n == 0:
		case kind == blockEnd && n == 0:
			return nil
		case kind == blockError:
			return readBlockError(r, n)
		default:
			return fmt.Errorf("%w: a block of kind %q and %d bytes", errBadFrame, kind, n)
		}
	}
}

func copyBlock(r io.Reader, w io.Writer, n int64, buf []byte) error {
	for n > 0 {
		part := buf[:min(n, int64(len(buf)))]
		got, err := io.ReadFull(r, part)
		if _, werr := w.Write(part[:got]); werr != nil {
			return writeError{werr}
		}
		if err != nil {
			return unexpected(err)
		}
		n -= int64(got)
	}
	return nil
}

func readBlockError(r io.Reader, n int64) error {
	b := make([]byte, n)
	if _, err := io.ReadFull(r, b); err != nil {
		return unexpected(err)
	}
	var e node.Error
	if err := json.Unmarshal(b, &e); err != nil {
		return fmt.Errorf("%w: %w", errBadFrame, err)
	}
	return &e
}

// unexpected makes any end of the stream an early one.
func unexpected(err error) error {
	if err == io.EOF { //nolint:errorlint // io.Reader returns it bare
		return io.ErrUnexpectedEOF
	}
	return err
}

// writeError is a failure of the caller's writer, not of the connection.
type writeError struct{ error }

func (e writeError) Unwrap() error { return e.error }
