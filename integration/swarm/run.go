package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"ringswap/integration/lab"
)

// swarm is one running swarm.
type swarm struct {
	setting
	dir, binary string
	network     string
	lab         *lab.Lab
	nodes       []*node // the first is the seed
}

// run has one swarm get one file, and takes everything down again.
func (s setting) run(ctx context.Context, dir, binary string) (r report, err error) {
	dir, err = os.MkdirTemp(dir, "run-")
	if err != nil {
		return r, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "file")
	if err := random(file, s.Size); err != nil {
		return r, err
	}
	sw := &swarm{setting: s, dir: dir, binary: binary, network: filepath.Base(dir)}
	if sw.lab, err = lab.New(ctx); err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, sw.close()) }()
	for i := range s.Leechers + 1 {
		if err := sw.start(ctx, i); err != nil {
			return r, err
		}
	}
	var shared struct{ Cid string }
	if err := sw.nodes[0].do(ctx, &shared, "share", file); err != nil {
		return r, err
	}
	return sw.get(ctx, shared.Cid, file)
}

// start starts the node of that number and waits until it is ready.
func (s *swarm) start(ctx context.Context, i int) error {
	link := lab.Link{Up: s.Up, Down: s.Down}
	n := &node{swarm: s, name: fmt.Sprintf("leecher %d", i)}
	switch {
	case i == 0:
		n.name, link.Up = "seed", s.SeedUp
	case i > s.Leechers-s.FreeRiders:
		n.name, n.rider = fmt.Sprintf("free rider %d", i), true
	}
	var err error
	if n.machine, err = s.lab.Machine(ctx, link); err != nil {
		return err
	}
	s.nodes = append(s.nodes, n)
	return n.start(ctx)
}

// close ends all daemons, then the network they were in.
func (s *swarm) close() error {
	var errs []error
	for _, n := range s.nodes {
		errs = append(errs, n.stop())
	}
	return errors.Join(append(errs, s.lab.Close())...)
}

// get has all leechers get the file at once.
func (s *swarm) get(ctx context.Context, cid, file string) (report, error) {
	r := report{setting: s.setting, Bound: s.fluid(s.Leechers - s.FreeRiders)}
	want, err := digest(file)
	if err != nil {
		return r, err
	}
	leechers := s.nodes[1:]
	r.Peers = make([]peerReport, len(leechers))
	gots := make([]got, len(leechers))
	errs := make([]error, len(leechers))
	carried, err := s.carried(ctx)
	if err != nil {
		return r, err
	}
	var all, givers sync.WaitGroup
	begin := time.Now()
	for i, n := range leechers {
		all.Add(1)
		if !n.rider {
			givers.Add(1)
		}
		go func() {
			defer all.Done()
			if !n.rider {
				defer givers.Done()
			}
			out := filepath.Join(n.repo(), "file")
			errs[i] = n.do(ctx, &gots[i], "get", cid, "-o", out)
			r.Peers[i] = peerReport{Name: n.name, FreeRider: n.rider, Seconds: time.Since(begin).Seconds()}
		}()
	}
	givers.Wait()
	atMark := make([]int64, len(leechers))
	for i, n := range leechers {
		atMark[i] = s.Size
		if n.rider {
			var state struct{ Chunks, Have int64 }
			if err := n.do(ctx, &state, "swarm", cid); err != nil {
				errs = append(errs, err)
			} else if state.Chunks > 0 {
				atMark[i] = s.Size * state.Have / state.Chunks
			}
		}
	}
	all.Wait()
	if after, err := s.carried(ctx); err != nil {
		errs = append(errs, err)
	} else {
		r.Carried = after - carried
	}
	sent := map[string]int64{}
	for i, n := range leechers {
		for _, p := range gots[i].Peers {
			sent[p.ID] += p.Bytes
			r.Peers[i].Received += p.Bytes
		}
		r.Peers[i].AtMark = atMark[i]
		if have, err := digest(filepath.Join(n.repo(), "file")); err != nil || have != want {
			errs = append(errs, fmt.Errorf("%s has not the file that was shared: %w", n.name, err))
		}
	}
	for i, n := range leechers {
		r.Peers[i].Sent = sent[n.id]
	}
	return r, errors.Join(errs...)
}

// carried is what the leechers' links have brought them so far, in bytes.
func (s *swarm) carried(ctx context.Context) (sum int64, err error) {
	for _, n := range s.nodes[1:] {
		bytes, err := n.machine.Received(ctx)
		if err != nil {
			return 0, err
		}
		sum += bytes
	}
	return sum, nil
}

// got is what `peer get` prints.
type got struct {
	Peers []struct {
		ID    string
		Bytes int64
	}
}

// random writes a file that no disk or link can make smaller.
func random(path string, size int64) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = io.CopyN(f, rand.Reader, size)
	return errors.Join(err, f.Close())
}

func digest(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	_, err = io.Copy(h, f)
	return string(h.Sum(nil)), err
}
