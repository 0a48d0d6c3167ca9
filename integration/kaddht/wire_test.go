package kaddht

import (
	"bytes"
	"math/rand/v2"
	"testing"

	pb "github.com/libp2p/go-libp2p-kad-dht/pb"
	recpb "github.com/libp2p/go-libp2p-record/pb"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
	"google.golang.org/protobuf/proto"

	"ringswap/kademlia"
	"ringswap/overlay"
)

// TestSameBytes: a message that both can say is the same bytes from both, and
// each reads what the other wrote.
func TestSameBytes(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range 300 {
		ours, theirs := randomMessages(t, rng)
		want, err := proto.Marshal(theirs)
		if err != nil {
			t.Fatal(err)
		}
		got, err := kademlia.Codec{}.Encode(ours)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("message %d: we wrote\n%x\nthey wrote\n%x", i, got, want)
		}
		back, err := kademlia.Codec{}.Decode(want)
		if err != nil {
			t.Fatal(err)
		}
		again, err := kademlia.Codec{}.Encode(back)
		if err != nil || !bytes.Equal(again, want) {
			t.Fatalf("message %d: we read something else than they wrote (%v)", i, err)
		}
	}
}

func randomMessages(t *testing.T, rng *rand.Rand) (*kademlia.Message, *pb.Message) {
	t.Helper()
	random := func(n int) []byte {
		b := make([]byte, 1+rng.IntN(n))
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		return b
	}
	typ := rng.IntN(6)
	ours := &kademlia.Message{Type: kademlia.MessageType(typ), Key: random(60)}
	theirs := pb.NewMessage(pb.Message_MessageType(typ), ours.Key, 0)
	if rng.IntN(2) == 0 {
		ours.Record = &kademlia.Record{Key: ours.Key, Value: random(2000), TimeReceived: "2026-02-03T04:05:06Z"}
		theirs.Record = &recpb.Record{Key: ours.Key, Value: ours.Record.Value, TimeReceived: ours.Record.TimeReceived}
	}
	contacts := func() (list []*overlay.Contact, infos []peer.AddrInfo) {
		for range rng.IntN(20) {
			id, err := peer.IDFromPublicKey(identity(t, rng.IntN(1000)).GetPublic())
			if err != nil {
				t.Fatal(err)
			}
			var addrs []ma.Multiaddr
			for _, a := range []string{"/ip4/192.0.2.1/tcp/4001", "/ip6/2001:db8::1/udp/4001/quic-v1", "/dns4/example.com/tcp/443/wss"} {
				if rng.IntN(2) == 0 {
					addrs = append(addrs, ma.StringCast(a))
				}
			}
			c := overlay.NewContact(id, addrs...)
			list = append(list, &c)
			infos = append(infos, c.AddrInfo())
		}
		return list, infos
	}
	var infos []peer.AddrInfo
	ours.Closer, infos = contacts()
	theirs.CloserPeers = pb.RawPeerInfosToPBPeers(infos)
	ours.Providers, infos = contacts()
	theirs.ProviderPeers = pb.RawPeerInfosToPBPeers(infos)
	return ours, theirs
}
