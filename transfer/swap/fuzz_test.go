package swap_test

import (
	"bytes"
	"io"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"

	"ringswap/transfer/swap"
	"ringswap/transfer/swap/swaptest"
	"ringswap/transfer/swap/wire"
)

// FuzzRequester lets a requester say anything to a server: it does not panic,
// ends the stream, and goes on serving.
func FuzzRequester(f *testing.F) {
	c := swaptest.NewContent(1, 3, 5000)
	hello := wire.Hello{Version: wire.Version, Root: c.Root}.Append(nil)
	want := wire.Want{ID: 1, Cid: c.Chunks[0].Cid}.Append(nil)
	for _, b := range [][]byte{
		nil, hello, want, append(bytes.Clone(hello), want...),
		append(wire.Cancel{ID: 1}.Append(append(bytes.Clone(hello), want...)), want...),
		wire.AppendFrame(bytes.Clone(hello), wire.TypeChoke, []byte("later")),
		bytes.Repeat([]byte{0xff}, 100),
	} {
		f.Add(b)
	}
	h, srv := swaptest.Serve(f, swaptest.Seed(c), swap.ServerConfig{HelloTimeout: time.Second})
	from := swaptest.Host(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		k := swaptest.Dial(t, from, swaptest.Info(h))
		_, _ = k.S.Write(b)
		_ = k.S.CloseWrite()
		_, _ = io.Copy(io.Discard, k.S)
		_ = k.S.Reset()
		honest := swaptest.Dial(t, from, swaptest.Info(h))
		honest.Hello(c.Root)
		honest.Send(wire.Want{ID: 1, Cid: c.Chunks[1].Cid})
		if a := honest.Answers(1)[1]; !bytes.Equal(a.Data, c.Data[1]) {
			t.Fatalf("an honest peer got %+v", a)
		}
		_ = honest.S.Reset()
		_ = srv.Uploads()
	})
}

// FuzzHolder lets a holder say anything to a session: it does not panic,
// delivers nothing that is wrong, and ends when it is told to.
func FuzzHolder(f *testing.F) {
	c := swaptest.NewContent(1, 3, 5000)
	complete := wire.State{Version: wire.Version, Status: wire.StatusComplete}.Append(nil)
	partial := wire.State{Version: wire.Version, Status: wire.StatusPartial, Chunks: 3}.Append(nil)
	block := func(id uint64, data []byte) []byte {
		return append(wire.Block{ID: id, Len: len(data), Last: true}.AppendHead(nil), data...)
	}
	for _, b := range [][]byte{
		nil, complete,
		append(bytes.Clone(complete), block(1, c.Data[0])...),
		append(append(bytes.Clone(complete), block(2, c.Data[1])...), block(1, c.Data[0])...),
		wire.Refuse{ID: 1}.Append(bytes.Clone(complete)),
		wire.Bitmap{Bits: []byte{5}}.Append(bytes.Clone(partial)),
		wire.Have{Runs: []wire.Run{{First: 1, Count: 2}}}.Append(bytes.Clone(partial)),
		bytes.Repeat(partial, 50),
		bytes.Repeat([]byte{0xff}, 100),
	} {
		f.Add(b)
	}
	bad, to := swaptest.Host(f), swaptest.Host(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		bad.SetStreamHandler(swap.ProtocolID(swaptest.Network), func(s network.Stream) {
			defer s.Close()
			_ = s.SetDeadline(time.Now().Add(time.Second))
			_, _ = s.Read(make([]byte, 1)) // the Hello has come
			_, _ = s.Write(b)
			_ = s.CloseWrite()
			_, _ = io.Copy(io.Discard, io.LimitReader(s, 1000))
		})
		s := session(t, to, c.Root, swap.SessionConfig{MaxAttempts: 1, NoProviders: 20 * time.Millisecond, Seed: 1})
		s.AddPeer(swaptest.Info(bad), "fuzz")
		_ = s.FetchChunks(swaptest.Context(t, 10*time.Second), swap.ChunkFetch{Chunks: c.Chunks, Deliver: func(i int, data []byte) error {
			if !bytes.Equal(data, c.Data[i]) {
				t.Errorf("chunk %d: wrong bytes", i)
			}
			return nil
		}})
		_ = s.Close()
	})
}
