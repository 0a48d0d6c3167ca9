package api

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"ringswap/internal/node"
)

// Bounds of what one side reads of the other.
const (
	maxRequest = 1 << 20  // bytes of a request's body
	maxFrame   = 16 << 20 // bytes of one frame; a lookup's trace is the largest
)

// errBadFrame is returned for what no server of this version writes.
var errBadFrame = errors.New("malformed answer")

// frame is one line of an answer. Exactly one member is set.
type frame struct {
	Beat     bool            `json:"beat,omitempty"`
	Progress *node.Progress  `json:"progress,omitempty"`
	Item     json.RawMessage `json:"item,omitempty"`
	Result   json.RawMessage `json:"result,omitempty"`
	Error    *node.Error     `json:"error,omitempty"`
}

// parseFrame reads one line, with or without its newline.
func parseFrame(line []byte) (frame, error) {
	var f frame
	if err := unmarshalStrict(line, &f); err != nil {
		return frame{}, fmt.Errorf("%w: %w", errBadFrame, err)
	}
	n := 0
	for _, set := range []bool{f.Beat, f.Progress != nil, f.Item != nil, f.Result != nil, f.Error != nil} {
		if set {
			n++
		}
	}
	if n != 1 {
		return frame{}, fmt.Errorf("%w: %d members in a frame", errBadFrame, n)
	}
	return f, nil
}

// readFrame reads the next frame. It returns io.ErrUnexpectedEOF if the stream
// ends first, since no answer ends without a last frame.
func readFrame(r *bufio.Reader) (frame, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		if len(line)+len(part) > maxFrame {
			return frame{}, fmt.Errorf("%w: a frame of more than %d bytes", errBadFrame, maxFrame)
		}
		if err == nil && line == nil {
			return parseFrame(part)
		}
		line = append(line, part...)
		switch {
		case err == nil:
			return parseFrame(line)
		case errors.Is(err, io.EOF):
			return frame{}, io.ErrUnexpectedEOF
		case !errors.Is(err, bufio.ErrBufferFull):
			return frame{}, err
		}
	}
}

// unmarshalStrict decodes exactly one JSON value, and refuses what it does not
// know: a request that is understood only in part must not be carried out.
func unmarshalStrict(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one JSON value")
	}
	return nil
}
