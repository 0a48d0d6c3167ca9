package swap

import (
	"ringswap/blockhash"
	"ringswap/transfer/swap/pick"
)

// arrival returns what has come of an active block. s.mu is held.
func (s *Session) arrival(key pick.Key) *arrival {
	v := s.in.arrivals[key]
	if v == nil {
		j := s.jobs[key.Job]
		v = &arrival{key: key, job: j, cid: j.chunks[key.Index].Cid}
		s.in.arrivals[key] = v
	}
	return v
}

// forget takes an arrival that is settled, or given up, off the books.
func (in *inbox) forget(v *arrival) {
	delete(in.arrivals, v.key)
	in.claims -= len(v.bad)
}

// deliver is a worker: it verifies full blocks and hands them over.
func (s *Session) deliver() {
	defer s.wg.Done()
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		for len(s.in.full) == 0 && !s.closed {
			s.in.work.Wait()
		}
		if s.closed {
			return
		}
		v := s.in.full[0]
		s.in.full = s.in.full[1:]
		j := v.job
		if j.ended {
			continue // its parts are back already
		}
		j.busy++
		if s.verify(v) {
			s.handOver(v)
		}
		j.busy--
		s.release(j)
	}
}

// verify checks a full block against its CID and leaves all of it in one part,
// or finds out who lied. s.mu is held, but not while the work is done.
func (s *Session) verify(v *arrival) bool {
	data, several := v.join(&s.in.buffers), len(v.parts) > 1
	room := maxAllClaims - s.in.claims
	v.busy = true
	s.mu.Unlock()
	if several {
		v.fill(data)
	}
	err := blockhash.Verify(v.cid, data)
	var claims evidence
	var liars []liar
	if err == nil {
		liars = v.bad.liars(data)
	} else if several {
		claims = v.bad.claimsOf(v.parts, room)
	}
	s.mu.Lock()
	v.busy = false

	if err != nil {
		if several {
			s.in.buffers.put(data)
		}
		if id, n := v.only(); n > 0 {
			s.cfg.Ledger.revoke(s.root, id, int64(n))
		}
		if v.job.ended {
			v.discard(-1, &s.in.buffers)
			return false
		}
		v.bad = append(v.bad, claims...)
		s.in.claims += len(claims)
		s.picker.Failed(v.key)
		s.pump() // which discards the parts
		return false
	}
	s.account(v)
	if several {
		v.discard(-1, &s.in.buffers)
		v.put(part{data: data})
	}
	for _, l := range liars {
		s.cfg.Ledger.revoke(s.root, l.id, int64(l.bytes))
		s.picker.Ban(l.id, "sent part of a block that did not match its CID")
	}
	if v.job.ended {
		v.discard(-1, &s.in.buffers)
		return false
	}
	return true
}

// account counts what the givers of a block that matched gave.
func (s *Session) account(v *arrival) {
	for _, p := range v.parts {
		if d := s.peers[p.from]; d != nil {
			d.verified += int64(len(p.data))
		}
	}
}

// handOver delivers a verified block, in Sequential order as soon as those
// before it are delivered. s.mu is held, but not while the job's owner works.
func (s *Session) handOver(v *arrival) {
	j := v.job
	if j.order != Sequential {
		s.give(v)
		return
	}
	j.ready[v.key.Index] = v
	if j.handing {
		return
	}
	j.handing = true
	for !j.ended && j.ready[j.next] != nil {
		v := j.ready[j.next]
		delete(j.ready, j.next)
		j.next = j.todo.Next(j.next + 1)
		s.give(v)
	}
	j.handing = false
}

func (s *Session) give(v *arrival) {
	j := v.job
	v.busy = true
	s.mu.Unlock()
	err := j.deliver(v.key.Index, v.parts[0].data)
	s.mu.Lock()
	v.busy = false
	v.discard(-1, &s.in.buffers)
	if j.ended {
		return
	}
	s.in.forget(v)
	s.picker.Settled(v.key)
	j.finished++
	if err != nil || j.finished == j.todo.Count() {
		s.endJob(j, err)
		return
	}
	s.pump()
}
