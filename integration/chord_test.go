package integration

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// Twenty-four nodes share and fetch while a third of them is killed, the owners
// of the records first, and as many others join: every get succeeds, the records
// survive, and in the end there is one ring of those who live.
func TestChordUnderChurn(t *testing.T) {
	const (
		n, third = 24, 8
		patience = time.Minute // of a command; far more than any needs
	)
	w := newChordWorld(t)
	all := w.group("n", n)
	w.oneRing(patience, all...)

	// One third shares a file each and lives.
	sharers, paths, cids := all[:third], make([]string, third), make([]string, third)
	for i, d := range sharers {
		paths[i] = w.file(fmt.Sprint("file", i), fmt.Sprint("churn ", i), int64(i)<<20+12345)
		s := d.shares(paths[i])
		cids[i] = s.Cid
	}
	doomed := w.owners(cids, all[third:])
	live := slices.DeleteFunc(slices.Clone(all), func(d *daemon) bool { return slices.Contains(doomed, d) })

	// One third fetches, and is a source of those files until it is killed, just
	// when somebody else fetches. For each of them a new one joins.
	for i, d := range doomed {
		d.do(nil, "get", cids[i], "-o", filepath.Join(w.dir, fmt.Sprint("doomed", i)))
	}
	for i, d := range doomed {
		getter := live[third+i%third]
		out := filepath.Join(w.dir, fmt.Sprint("meanwhile", i))
		fetched := make(chan error, 1)
		go func() {
			r, err := w.try(patience, getter.repo, "--json", "get", cids[i], "-o", out)
			if err == nil && r.code != 0 {
				err = fmt.Errorf("exit %d: %s", r.code, r.stderr)
			}
			fetched <- err
		}()
		d.kill()
		live = append(live, w.start(fmt.Sprint("new", i), live[(5*i+3)%len(live)].bootstrap()...))
		if err := <-fetched; err != nil {
			t.Fatalf("%s gets file %d of %s and %s, which is being killed: %v", getter.name, i, sharers[i].name, d.name, err)
		}
		w.sameFile(paths[i], out)
	}
	w.oneRing(2*time.Minute, live...)

	// The records are where lookups find them, from wherever they start.
	for i, cid := range cids {
		for _, d := range []*daemon{sharers[(i+1)%third], live[third+i], live[n-1-i]} {
			if found := d.providers(cid); !found[sharers[i].ID] {
				t.Errorf("%s does not find %s as a provider of file %d, but %v", d.name, sharers[i].name, i, found)
			}
		}
	}
	// Those who came last fetch what was shared before they were there.
	for i, d := range live[n-third:] {
		j := (i + 3) % third
		out := filepath.Join(w.dir, fmt.Sprint("late", i))
		d.do(nil, "get", cids[j], "-o", out)
		w.sameFile(paths[j], out)
	}
	w.smallerThan(160<<20, live...)
}

// owners are as many of the candidates as there are CIDs: at first those that
// own one of them, and nobody twice.
func (w *world) owners(cids []string, candidates []*daemon) (owners []*daemon) {
	w.t.Helper()
	for _, cid := range cids {
		var l lookup
		candidates[0].do(&l, "lookup", cid)
		for _, d := range candidates {
			if d.ID == l.Closest[0].ID && !slices.Contains(owners, d) {
				owners = append(owners, d)
			}
		}
	}
	w.t.Logf("%d of %d records have one of those who may die as their owner", len(owners), len(cids))
	for _, d := range candidates {
		if len(owners) < len(cids) && !slices.Contains(owners, d) {
			owners = append(owners, d)
		}
	}
	return owners
}

// lookup is the object that lookup prints.
type lookup struct {
	Key     string
	Closest []struct{ ID string }
	Hops    int
	RPCs    int
	Trace   []struct {
		ID       string
		Hop, Via int
		Past     bool
		MS       float64
		Error    string
	}
	Recursive bool
}

// smallerThan fails the test if a daemon takes more memory than so many bytes.
func (w *world) smallerThan(most int64, daemons ...*daemon) {
	w.t.Helper()
	var largest, total int64
	for _, d := range daemons {
		n, err := resident(d.cmd.Process.Pid)
		if err != nil {
			w.t.Logf("memory is not checked: %v", err)
			return
		}
		largest, total = max(largest, n), total+n
		if n > most {
			w.t.Errorf("%s takes %d MiB of memory, more than %d", d.name, n>>20, most>>20)
		}
	}
	w.t.Logf("memory: %d MiB at most, %d MiB in the mean", largest>>20, total>>20/int64(len(daemons)))
}
