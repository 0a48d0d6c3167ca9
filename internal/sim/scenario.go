package sim

import (
	"errors"
	"math/rand/v2"
	"time"
)

// errNobody ends an experiment in which nobody is left to ask.
var errNobody = errors.New("sim: no honest node is left that could ask")

// firstError returns the first error that is not nil.
func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// honest is a random running node that is a server and no liar, or nil.
func (w *World) honest(rng *rand.Rand) *Node {
	for range 1024 {
		if w.live.Len() == 0 {
			return nil
		}
		n := w.nodeOf(w.live.list[rng.IntN(w.live.Len())])
		if n.Server && n.Evil == nil {
			return n
		}
	}
	return nil
}

// entries is the mean and the greatest number of contacts that random nodes
// route by. If there are no more than sampled, all are counted.
func (w *World) entries(sampled int) (mean float64, most int) {
	rng := newRand(w.settings.Seed, streamScenario, 1)
	n := w.live.Len()
	sum := 0
	for i := range min(sampled, n) {
		at := i
		if sampled < n {
			at = rng.IntN(n)
		}
		e := w.settings.Overlay.Entries(w.nodeOf(w.live.list[at]).Machine())
		sum, most = sum+e, max(most, e)
	}
	return float64(sum) / float64(min(sampled, n)), most
}

// settle lets time pass until nothing is on its way any more, but no longer than
// it takes for everything that a lookup left behind to arrive. Nodes that time
// passes for have upkeep, so no more of it passes than must.
func (w *World) settle() error {
	_, err := w.RunUntil(func() bool { return w.open() == 0 }, 30*time.Second)
	return err
}

// open is the number of messages that are on their way or not answered.
func (w *World) open() (n int) {
	for i := range w.shards {
		n += len(w.shards[i].letters) - len(w.shards[i].free)
	}
	return n
}
