package dag

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/ipfs/boxo/ipld/merkledag"
	"github.com/ipfs/boxo/ipld/unixfs"
	"github.com/ipfs/go-cid"
	ipld "github.com/ipfs/go-ipld-format"
	mh "github.com/multiformats/go-multihash"
)

// FuzzDecode parses any bytes as a node. What parses must be within bounds.
func FuzzDecode(f *testing.F) {
	c := must(nodePrefix.Sum(nil))
	link := &ipld.Link{Name: "x", Cid: c, Size: 20}
	f.Add(folderBlock(link))
	f.Add(fileBlock(7, []byte("ab"), []uint64{5}, &ipld.Link{Cid: c, Size: 20}))
	f.Add(merkledag.NodeWithData(must(unixfs.SymlinkData("../x"))).RawData())
	shard := merkledag.NodeWithData(must(unixfs.HAMTShardData([]byte{1, 2}, 256, hamtMurmur3)))
	if err := shard.SetLinks([]*ipld.Link{{Name: "01x", Cid: c}, {Name: "08", Cid: c}}); err != nil {
		f.Fatal(err)
	}
	f.Add(shard.RawData())
	f.Fuzz(func(t *testing.T, block []byte) {
		n, err := decode(c, block)
		if err != nil {
			if !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrTooLarge) && !errors.Is(err, ErrUnsupported) {
				t.Fatalf("an error of no kind: %v", err)
			}
			return
		}
		sum := uint64(len(n.data))
		for _, l := range n.links {
			if err := CheckCid(l.cid); err != nil {
				t.Fatal(err)
			}
			if l.name == "" && n.form == formFolder || strings.ContainsAny(l.name, "/\x00") {
				t.Fatalf("name %q", l.name)
			}
			sum += l.size
		}
		if n.form == formFile && (sum != n.size || sum > maxFileBytes) || len(n.links) > maxNodeLinks {
			t.Fatalf("%+v", n)
		}
	})
}

// program makes a DAG from any bytes: nodes that refer to earlier ones and
// claim what they like about them.
type program struct {
	in   []byte
	src  *memBlocks
	cids []cid.Cid
}

func (p *program) byte() byte {
	if len(p.in) == 0 {
		return 0
	}
	b := p.in[0]
	p.in = p.in[1:]
	return b
}

// number is small most of the time.
func (p *program) number() uint64 {
	switch b := p.byte(); {
	case b < 200:
		return uint64(b)
	case b < 250:
		return uint64(b)<<8 | uint64(p.byte())
	default:
		var v [8]byte
		copy(v[:], p.in)
		p.in = p.in[min(8, len(p.in)):]
		return binary.BigEndian.Uint64(v[:]) >> (8 * (b - 250))
	}
}

func (p *program) text() string {
	n := min(int(p.byte()%8), len(p.in))
	s := string(p.in[:n])
	p.in = p.in[n:]
	return s
}

func (p *program) links() (links []*ipld.Link, sizes []uint64) {
	for range p.byte() % 9 {
		if len(p.cids) == 0 {
			break
		}
		size := p.number()
		links = append(links, &ipld.Link{
			Name: p.text(),
			Cid:  p.cids[int(p.byte())%len(p.cids)],
			Size: (size + uint64(p.byte())) & (1<<63 - 1),
		})
		sizes = append(sizes, size)
	}
	return links, sizes
}

func (p *program) node() {
	prefix := nodePrefix
	links, sizes := p.links()
	var block []byte
	switch kind := p.byte(); kind % 8 {
	case 0:
		prefix.Codec = cid.Raw
		block = []byte(p.text())
	case 1:
		prefix = cid.Prefix{Version: 1, Codec: cid.Raw, MhType: mh.IDENTITY, MhLength: -1}
		block = []byte(p.text())
	case 2:
		block = folderBlock(links...)
	case 3:
		n := merkledag.NodeWithData(must(unixfs.HAMTShardData([]byte(p.text()), p.number(), hamtMurmur3)))
		_ = n.SetLinks(links)
		block = n.RawData()
	case 4:
		block = merkledag.NodeWithData(must(unixfs.SymlinkData(p.text()))).RawData()
	default: // a file whose sizes add up, or not
		data := []byte(p.text())
		size := uint64(len(data))
		for _, s := range sizes {
			size += s
		}
		if kind > 250 {
			size = p.number()
		}
		block = fileBlock(size, data, sizes, links...)
	}
	p.cids = append(p.cids, p.src.put(prefix, block))
}

// FuzzBuild unfolds any DAG. It must end, and a manifest must keep its promises.
func FuzzBuild(f *testing.F) {
	f.Add([]byte{0, 0, 3, 'a', 'b', 'c', 1, 3, 0, 0, 0, 7, 0})
	f.Add([]byte{0, 0, 1, 'x', 1, 1, 1, 'n', 0, 0, 2, 1, 90, 1, 'm', 1, 0, 2})
	f.Add([]byte{0, 4, 2, '.', '.', 2, 1, 2, '0', '0', 0, 0, 5, 1, 'y', 0, 0, 3, 1, 1, 8})
	f.Fuzz(func(t *testing.T, in []byte) {
		p := &program{in: in, src: newMemBlocks()}
		for range 40 {
			if p.node(); len(p.in) == 0 {
				break
			}
		}
		root := p.cids[len(p.cids)-1]
		limits := Limits{Levels: 20, Links: 2000, Chunks: 1000, Entries: 500}
		m, err := Build(t.Context(), root, p.src, limits)
		items, listErr := List(t.Context(), root, p.src, limits, true)
		if err != nil {
			return
		}
		checkManifest(t, m)
		if listErr != nil {
			t.Fatalf("unfolds but does not list: %v", listErr)
		}
		if m.Entries[0].Kind == Folder {
			for _, e := range m.Entries[1:] {
				if e.Parent == 0 {
					if items[0].Name != e.Name || items[0].Kind != e.Kind {
						t.Fatalf("listed %+v, unfolded %+v", items[0], e)
					}
					items = items[1:]
				}
			}
		}
	})
}
