package api

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
)

// FuzzReadFrame feeds answers to the parser: whatever it accepts has exactly
// one member and means the same when written again.
func FuzzReadFrame(f *testing.F) {
	for _, s := range []string{
		`{"beat":true}`, `{"progress":{"phase":"hashing","done":1,"total":2}}`, `{"item":null}`, `{"item":{"cid":"x"}}`,
		`{"result":{}}`, `{"error":{"kind":"failed","what":"x"}}`, `{}`, `{"beat":false}`, `[]`, "", "{\"beat\":true}{}",
		`{"beat":true,"item":1}`, strings.Repeat("[", 100),
	} {
		f.Add([]byte(s + "\n"))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		r := bufio.NewReaderSize(bytes.NewReader(in), 16)
		for {
			fr, err := readFrame(r)
			if errors.Is(err, errBadFrame) || errors.Is(err, io.ErrUnexpectedEOF) {
				return
			}
			if err != nil {
				t.Fatalf("an error of another kind: %v", err)
			}
			b, err := json.Marshal(fr)
			if err != nil {
				t.Fatalf("%+v cannot be written: %v", fr, err)
			}
			again, err := parseFrame(b)
			if err != nil {
				t.Fatalf("%s was read, %s is not: %v", in, b, err)
			}
			if b2, _ := json.Marshal(again); !bytes.Equal(b, b2) {
				t.Fatalf("%s became %s", b, b2)
			}
		}
	})
}

// FuzzReadBlocks feeds answers to the parser of cat: it never takes a cut
// answer for a whole one, and writes no byte that was not data.
func FuzzReadBlocks(f *testing.F) {
	whole := append(appendBlockHeader(nil, blockData, 3), "abc"...)
	whole = appendBlockHeader(whole, blockBeat, 0)
	whole = appendBlockHeader(whole, blockEnd, 0)
	f.Add(whole)
	f.Add(whole[:6])
	f.Add([]byte("e\x00\x00\x00\x0d{\"what\":\"no\"}"))
	f.Add([]byte("d\x7f\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, in []byte) {
		var out bytes.Buffer
		err := readBlocks(bytes.NewReader(in), &out)
		if err == nil && !bytes.Contains(in, appendBlockHeader(nil, blockEnd, 0)) {
			t.Fatal("an answer without an end was taken for whole")
		}
		if out.Len() > len(in) {
			t.Fatalf("%d bytes came out of %d", out.Len(), len(in))
		}
	})
}

func FuzzParsePlace(f *testing.F) {
	f.Add([]byte(`{"network":"unix","address":"/run/x.sock"}`))
	f.Add([]byte(`{"network":"tcp","address":"127.0.0.1:80","token":"t"}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		if p, err := parsePlace(in); err == nil && p.Network == "tcp" && !strings.HasPrefix(p.Address, "127.0.0.1:") {
			t.Fatalf("%s leads to %s", in, p.Address)
		}
	})
}
