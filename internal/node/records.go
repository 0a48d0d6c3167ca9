package node

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"

	"ringswap/overlay"
	"ringswap/overlay/record"
)

// The file of records: the line recordsMagic; which network they are of; entries,
// each a byte of kind and its fields; a byte kindEnd; and the CRC-32C of all that. A number is an unsigned varint, a string is its length and its bytes,
// a time is in Unix seconds. A provider is key (32 bytes), expiry, peer ID, the
// number of addresses and the addresses; a value is key, value, and publication.
const (
	recordsMagic = "ringswap records 1\n"

	kindEnd      = 0
	kindProvider = 1
	kindValue    = 2

	// maxRecordsFile bounds the file, in bytes; what does not fit is left out.
	maxRecordsFile = 64 << 20
	// The longest fields. A machine allows no more.
	maxLabel                     = 128
	maxPeerID, maxAddr, maxAddrs = 128, 1 << 10, 64
	maxKey, maxValue             = 4 << 10, 64 << 10
)

var errRecordsDamaged = errors.New("the file is damaged")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// saveRecords replaces the file at path, or removes it if there is nothing to
// keep.
func saveRecords(path, of string, kept record.Snapshot) error {
	if len(kept.Providers)+len(kept.Values) == 0 {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	return replaceFile(path, func(w io.Writer) error { return writeRecords(w, of, kept) })
}

func writeRecords(w io.Writer, of string, kept record.Snapshot) error {
	out := recordsWriter{w: w, sum: crc32.New(castagnoli), room: maxRecordsFile}
	out.put(appendString([]byte(recordsMagic), of))
	var b []byte
	for _, p := range kept.Providers {
		b = append(append(b[:0], kindProvider), p.Key[:]...)
		b = binary.AppendUvarint(b, uint64(max(0, p.Expires.Unix())))
		b = appendString(b, string(p.Provider.Peer))
		addrs := p.Provider.Addrs[:min(len(p.Provider.Addrs), maxAddrs)]
		b = binary.AppendUvarint(b, uint64(len(addrs)))
		for _, a := range addrs {
			b = appendString(b, string(a.Bytes()))
		}
		out.put(b)
	}
	for _, v := range kept.Values {
		b = appendString(append(b[:0], kindValue), string(v.Key))
		b = appendString(b, string(v.Value))
		b = binary.AppendUvarint(b, uint64(max(0, v.Published.Unix())))
		out.put(b)
	}
	return out.end()
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// recordsWriter writes entries as long as there is room for them and the end.
type recordsWriter struct {
	w    io.Writer
	sum  hash.Hash32
	room int
	err  error
}

func (o *recordsWriter) put(entry []byte) {
	const end = 1 + crc32.Size
	if o.err != nil || len(entry)+end > o.room {
		return
	}
	o.room -= len(entry)
	o.sum.Write(entry)
	_, o.err = o.w.Write(entry)
}

func (o *recordsWriter) end() error {
	o.put([]byte{kindEnd})
	if o.err != nil {
		return o.err
	}
	_, err := o.w.Write(binary.BigEndian.AppendUint32(nil, o.sum.Sum32()))
	return err
}

// loadRecords reads the file at path. A missing one, and one of another
// network, holds nothing; one that is damaged in any place is not used at
// all, since nobody knows what else is wrong with it.
func loadRecords(path, of string) (record.Snapshot, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return record.Snapshot{}, nil
	}
	var kept record.Snapshot
	if err == nil {
		kept, err = readRecords(f, of)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		return record.Snapshot{}, fmt.Errorf("the records that were kept for others cannot be read from %s: %w", path, err)
	}
	return kept, nil
}

func readRecords(r io.Reader, of string) (record.Snapshot, error) {
	in := recordsReader{r: bufio.NewReaderSize(io.LimitReader(r, maxRecordsFile), 64<<10), sum: crc32.New(castagnoli)}
	if string(in.bytes(len(recordsMagic))) != recordsMagic {
		return record.Snapshot{}, fmt.Errorf("%w: it does not begin as one", errRecordsDamaged)
	}
	if ours := in.string(maxLabel) == of; in.err == nil && !ours {
		return record.Snapshot{}, nil
	}
	var kept record.Snapshot
	for in.err == nil {
		switch kind := in.bytes(1); {
		case in.err != nil:
		case kind[0] == kindEnd:
			return kept, in.end()
		case kind[0] == kindProvider:
			kept.Providers = append(kept.Providers, in.provider())
		case kind[0] == kindValue:
			kept.Values = append(kept.Values, in.value())
		default:
			in.fail("an entry of kind %d", kind[0])
		}
	}
	return record.Snapshot{}, in.err
}

// recordsReader reads the fields of the file. After the first error every one
// is zero.
type recordsReader struct {
	r   *bufio.Reader
	sum hash.Hash32
	err error
}

func (in *recordsReader) fail(format string, args ...any) {
	if in.err == nil {
		in.err = fmt.Errorf("%w: %s", errRecordsDamaged, fmt.Sprintf(format, args...))
	}
}

func (in *recordsReader) bytes(n int) []byte {
	if in.err != nil {
		return nil
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(in.r, b); err != nil {
		in.fail("it ends too early: %v", err)
		return nil
	}
	in.sum.Write(b)
	return b
}

// ReadByte implements io.ByteReader, for varints.
func (in *recordsReader) ReadByte() (byte, error) {
	b := in.bytes(1)
	if in.err != nil {
		return 0, in.err
	}
	return b[0], nil
}

func (in *recordsReader) number(most uint64) uint64 {
	if in.err != nil {
		return 0
	}
	n, err := binary.ReadUvarint(in)
	if err != nil || n > most {
		in.fail("a number of %d", n)
		return 0
	}
	return n
}

func (in *recordsReader) string(most int) string {
	return string(in.bytes(int(in.number(uint64(most)))))
}

// time is a time before the year 10000.
func (in *recordsReader) time() time.Time {
	return time.Unix(int64(in.number(253_402_300_799)), 0)
}

func (in *recordsReader) provider() (p record.SavedProvider) {
	copy(p.Key[:], in.bytes(overlay.IDBytes))
	p.Expires = in.time()
	id, err := peer.IDFromBytes([]byte(in.string(maxPeerID)))
	if err != nil {
		in.fail("a peer ID: %v", err)
	}
	var addrs []ma.Multiaddr
	for range in.number(maxAddrs) {
		a, err := ma.NewMultiaddrBytes([]byte(in.string(maxAddr)))
		if err != nil {
			in.fail("an address: %v", err)
		}
		addrs = append(addrs, a)
	}
	p.Provider = overlay.NewContact(id, addrs...)
	return p
}

func (in *recordsReader) value() (v record.SavedValue) {
	v.Key, v.Value = []byte(in.string(maxKey)), []byte(in.string(maxValue))
	v.Published = in.time()
	return v
}

// end checks the sum, which ends the file.
func (in *recordsReader) end() error {
	want := in.sum.Sum32()
	got := in.bytes(crc32.Size)
	if in.err == nil && binary.BigEndian.Uint32(got) != want {
		in.fail("its checksum is wrong")
	}
	if _, err := in.r.ReadByte(); in.err == nil && !errors.Is(err, io.EOF) {
		in.fail("something follows its end")
	}
	return in.err
}
