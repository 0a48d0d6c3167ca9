package p2p

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"ringswap/overlay"
)

func TestFrameRoundTrip(t *testing.T) {
	for _, n := range []int{0, 1, 127, 128, frameStep - 1, frameStep, frameStep + 1, 3 * frameStep, 1 << 20} {
		msg := bytes.Repeat([]byte{0xa5}, n)
		frame := appendFrame(nil, msg)
		for name, r := range map[string]io.Reader{
			"whole": bytes.NewReader(frame),
			"halfs": iotest.HalfReader(bytes.NewReader(frame)),
			"eof":   iotest.DataErrReader(bytes.NewReader(frame)),
		} {
			got, err := readFrame(bufio.NewReader(r), 1<<20)
			if err != nil || !bytes.Equal(got, msg) {
				t.Errorf("%d bytes, read as %s: %d bytes, %v", n, name, len(got), err)
			}
		}
	}
}

func TestFrameRefusals(t *testing.T) {
	for name, in := range map[string][]byte{
		"over the limit":          appendFrame(nil, make([]byte, 101)),
		"length only, over":       binary.AppendUvarint(nil, 1<<31),
		"64-bit length":           binary.AppendUvarint(nil, 1<<63),
		"endless length":          bytes.Repeat([]byte{0x80}, 100),
		"needless byte in length": {0x81, 0x00, 0xff},
		"ends within the length":  {0x80},
		"ends within the message": {5, 1, 2},
		"only a length":           {5},
	} {
		if _, err := readFrame(bufio.NewReader(bytes.NewReader(in)), 100); !errors.Is(err, overlay.ErrBadMessage) {
			t.Errorf("%s: %v, want ErrBadMessage", name, err)
		}
	}
	if _, err := readFrame(bufio.NewReader(bytes.NewReader(nil)), 100); !errors.Is(err, io.EOF) {
		t.Errorf("an empty stream: %v, want io.EOF", err)
	}
}

// A length is a promise: memory is given only for what arrives.
func TestFrameAllocatesWhatArrives(t *testing.T) {
	frame := appendFrame(nil, make([]byte, 64<<20))[:1<<10]
	got := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for range b.N {
			if _, err := readFrame(bufio.NewReaderSize(bytes.NewReader(frame), 16), 64<<20); err == nil {
				b.Fatal("a truncated message was accepted")
			}
		}
	}).AllocedBytesPerOp()
	if got > 4*frameStep {
		t.Errorf("1 KiB of a promised 64 MiB made the reader allocate %d bytes", got)
	}
}

func FuzzReadFrame(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{0})
	f.Add([]byte{3, 'a', 'b', 'c', 1, 'd'})
	f.Add([]byte{0x80, 0x80, 0x80, 0x80, 0x80, 0x01})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Add([]byte{0x81, 0x00})
	f.Add(appendFrame(nil, bytes.Repeat([]byte{7}, 300)))
	f.Fuzz(func(t *testing.T, in []byte) {
		const limit = 256
		r := bufio.NewReaderSize(iotest.OneByteReader(bytes.NewReader(in)), 16)
		var again []byte
		for {
			msg, err := readFrame(r, limit)
			if err != nil {
				if !errors.Is(err, io.EOF) && !errors.Is(err, overlay.ErrBadMessage) {
					t.Fatalf("an error of no kind: %v", err)
				}
				if errors.Is(err, io.EOF) && !bytes.Equal(again, in) {
					t.Fatalf("the stream ended cleanly after %x, but was %x", again, in)
				}
				break
			}
			if len(msg) > limit {
				t.Fatalf("a message of %d bytes passed the limit of %d", len(msg), limit)
			}
			again = appendFrame(again, msg)
		}
		if !bytes.HasPrefix(in, again) {
			t.Fatalf("the messages encode to %x, which %x does not begin with", again, in)
		}
	})
}
