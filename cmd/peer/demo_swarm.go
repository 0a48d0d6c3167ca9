package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"ringswap/internal/node"
)

// The swarm of the demo: one that has the file, three that give what they get, and
// one that only takes. The nodes' own limits stand for the lines of homes, where
// the way out is narrow.
const (
	swarmFile   = "season.bin"
	swarmSize   = 16 << 20
	swarmSeed   = "seed"
	swarmTaker  = "taker"
	swarmSeedUp = "6MiB"
	swarmUp     = "3MiB"
	swarmDown   = "24MiB"
	// swarmLook is when, after all have begun, it is shown how they do.
	swarmLook = 2 * time.Second
)

var swarmGivers = []string{"give1", "give2", "give3"}

// showSwarm lets four nodes get one file at the same time, of which one serves
// nobody, and says how each fared.
func (d *demo) showSwarm(ctx context.Context) error {
	if err := d.startSwarm(ctx); err != nil {
		return err
	}
	src := rand.NewChaCha8(sha256.Sum256([]byte("the swarm in the demo of ringswap")))
	if err := writeRandom(filepath.Join(d.dir, swarmFile), src, swarmSize); err != nil {
		return err
	}
	file, err := askOne[node.Shared](ctx, d, swarmSeed, "share", swarmFile)
	if err != nil {
		return err
	}
	race, err := d.runSwarm(ctx, file.Cid)
	if err != nil {
		return err
	}
	d.tell(race)
	return nil
}

func (d *demo) startSwarm(ctx context.Context) error {
	limits := map[string]string{swarmSeed: swarmSeedUp, swarmTaker: "none"}
	for _, repo := range slices.Concat([]string{swarmSeed}, swarmGivers, []string{swarmTaker}) {
		up := limits[repo]
		if up == "" {
			up = swarmUp
		}
		flags := append([]string{"--limit-up", up, "--limit-down", swarmDown}, d.nodeFlags(d.daemons["n1"].addr)...)
		n, _, err := d.startDaemon(ctx, repo, flags...)
		if n != nil {
			d.daemons[repo] = n
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// swarmRace is what came of the swarm.
type swarmRace struct {
	got map[string]node.Got // by repo
	// had is how many of the chunks the taker had when the last giver was done; -1 if
	// that could not be seen in time.
	had, chunks int
}

// runSwarm lets all of them get the file at once, and compares what each got.
func (d *demo) runSwarm(ctx context.Context, cid string) (swarmRace, error) {
	everyone := append(slices.Clone(swarmGivers), swarmTaker)
	race := swarmRace{got: make(map[string]node.Got), had: -1}
	gets, running := errgroup.WithContext(ctx)
	type end struct {
		repo string
		got  node.Got
	}
	ends := make(chan end, len(everyone))
	for _, repo := range everyone {
		args := []string{"get", cid, "-o", repo + "-" + swarmFile}
		d.say("   $ peer --repo %s %s --json &\n", repo, strings.Join(args, " "))
		gets.Go(func() error {
			found, err := askQuietly[node.Got](running, d, true, repo, args...)
			if err == nil && len(found) != 1 {
				err = fmt.Errorf("peer get printed %d objects instead of one", len(found))
			}
			if err != nil {
				return fmt.Errorf("%s: %w", repo, err)
			}
			ends <- end{repo, found[0]}
			return nil
		})
	}
	look := time.NewTimer(swarmLook)
	defer look.Stop()
	for givers := 0; len(race.got) < len(everyone); {
		select {
		case e := <-ends:
			race.got[e.repo] = e.got
			if e.repo == swarmTaker {
				continue
			}
			if givers++; givers == len(swarmGivers) {
				race.had, race.chunks = d.have(ctx, swarmTaker, cid)
			}
		case <-look.C:
			if err := d.lookAtSwarm(ctx, swarmGivers[0], cid); err != nil {
				return race, errors.Join(err, gets.Wait())
			}
		case <-running.Done():
			return race, gets.Wait()
		}
	}
	if err := gets.Wait(); err != nil {
		return race, err
	}
	for _, repo := range everyone {
		if err := sameTree(filepath.Join(d.dir, swarmFile), filepath.Join(d.dir, repo+"-"+swarmFile)); err != nil {
			return race, &node.Error{Kind: node.KindDamaged, What: "what " + repo + " fetched is not what was shared", Why: err.Error()}
		}
	}
	return race, nil
}

// have is how many chunks of a CID a node has, and of how many; -1 if it does not
// say.
func (d *demo) have(ctx context.Context, repo, cid string) (have, chunks int) {
	found, err := askQuietly[node.Swarm](ctx, d, true, repo, "swarm", cid)
	if err != nil || len(found) != 1 || found[0].Chunks == 0 {
		return -1, 0
	}
	return found[0].Have, found[0].Chunks
}

// lookAtSwarm shows a node's view of its swarm.
func (d *demo) lookAtSwarm(ctx context.Context, repo, cid string) error {
	sw, err := askOne[node.Swarm](ctx, d, repo, "swarm", cid, "--once")
	if err != nil {
		return err
	}
	for i, p := range sw.Peers {
		sw.Peers[i].ID = d.name(p.ID)
	}
	var b strings.Builder
	printSwarm(&b, sw)
	d.indent(b.String())
	return nil
}

// tell says how each one fared, from what they say that they got of whom.
func (d *demo) tell(race swarmRace) {
	gave := make(map[string]int64)
	for _, got := range race.got {
		for _, p := range got.Peers {
			gave[d.name(p.ID)] += p.Bytes
		}
	}
	var b strings.Builder
	t := newTable(&b, "NODE", "TOOK", "RATE", "GAVE", "GOT FROM")
	t.row(swarmSeed, "-", "-", size(gave[swarmSeed]), "(had it)")
	for _, repo := range append(slices.Clone(swarmGivers), swarmTaker) {
		got := race.got[repo]
		var from []string
		for _, p := range got.Peers {
			from = append(from, d.name(p.ID)+" "+size(p.Bytes))
		}
		slices.Sort(from)
		t.row(repo, seconds(got.Seconds), rate(float64(got.Size)/got.Seconds), size(gave[repo]), strings.Join(from, ", "))
	}
	t.flush()
	d.indent(b.String())
	d.say("     compared with the original: every byte is the same, four times\n     %s\n", race.verdict())
}

// verdict says what became of the one that only took, as it was measured.
func (r swarmRace) verdict() string {
	var last, sum float64
	for _, repo := range swarmGivers {
		last = max(last, r.got[repo].Seconds)
		sum += r.got[repo].Seconds
	}
	mean, taker := sum/float64(len(swarmGivers)), r.got[swarmTaker].Seconds
	had := ""
	if r.had >= 0 && r.had < r.chunks {
		had = fmt.Sprintf(" When the last giver was done, it had %d of %s.", r.had, count(r.chunks, "chunk"))
	}
	if taker > last {
		return fmt.Sprintf("The free rider lost: it needed %.2f times as long as those who gave.%s", taker/mean, had)
	}
	return fmt.Sprintf("This time the free rider did not lose: it needed %s, and those who gave %s in the mean, %s at most.%s",
		seconds(taker), seconds(mean), seconds(last), had)
}
