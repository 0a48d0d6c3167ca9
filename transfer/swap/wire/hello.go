package wire

import (
	"github.com/ipfs/go-cid"
)

// Features is a set of optional abilities. A side uses one only if both named it.
type Features uint64

// The features of version 1.
const (
	FeatureChoke Features = 1 << iota // Choke and Unchoke frames
	FeatureVouch                      // Vouch frames
	FeaturePeers                      // Peers frames
	FeatureOrder                      // the requester reads in order, and is told of everything at once
)

// Hello is the requester's first frame: what it speaks, and which root this
// stream is about.
type Hello struct {
	Version  uint64 // the highest version it speaks, at least 1
	Features Features
	Root     cid.Cid
}

// Append appends the frame to b.
func (m Hello) Append(b []byte) []byte {
	root := m.Root.Bytes()
	n := sizeUint(m.Version) + sizeUint(uint64(m.Features)) + sizeUint(uint64(len(root))) + len(root)
	b = appendHead(b, TypeHello, n)
	b = appendUint(b, m.Version)
	b = appendUint(b, uint64(m.Features))
	return appendBytes(b, root)
}

// ParseHello parses the body of a Hello frame.
func ParseHello(b []byte) (m Hello, err error) {
	if m.Version, b, err = takeUint(b); err != nil {
		return Hello{}, err
	}
	if m.Version == 0 {
		return Hello{}, violation("version 0")
	}
	f, b, err := takeUint(b)
	if err != nil {
		return Hello{}, err
	}
	m.Features = Features(f)
	if m.Root, b, err = takeCid(b); err != nil {
		return Hello{}, err
	}
	if len(b) != 0 {
		return Hello{}, violation("%d bytes after Hello", len(b))
	}
	return m, nil
}

// appendBytes appends the length of p and p.
func appendBytes(b, p []byte) []byte { return append(appendUint(b, uint64(len(p))), p...) }

// takeCid reads a length-prefixed binary CID. It copies what it keeps.
func takeCid(b []byte) (cid.Cid, []byte, error) {
	n, b, err := takeUint(b)
	if err != nil {
		return cid.Undef, nil, err
	}
	if n > MaxCid || n > uint64(len(b)) {
		return cid.Undef, nil, violation("a CID of %d bytes", n)
	}
	c, err := cid.Cast(b[:n:n])
	if err != nil {
		return cid.Undef, nil, violation("%v", err)
	}
	return c, b[n:], nil
}

func sizeUint(v uint64) int {
	n := 1
	for ; v >= 0x80; v >>= 7 {
		n++
	}
	return n
}
