package fair

import (
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// purse meters what is given for nothing: it counts what was spent until that
// comes free again, by time or because whoever had it gave something back.
type purse struct {
	spent int64
	owed  map[peer.ID]int64 // what of spent settle gives back
	last  time.Time
}

// maxOwed bounds the peers of whom a purse remembers what they had.
const maxOwed = 4096

// refill lets rate bytes a second come free.
func (p *purse) refill(now time.Time, rate int64) {
	if p.last.IsZero() || p.spent == 0 {
		p.last = now
		return
	}
	free := int64(now.Sub(p.last).Seconds() * float64(rate))
	if free <= 0 {
		return // the time is not lost: last stays
	}
	p.last = now
	p.free(free)
}

// free lets n bytes come free.
func (p *purse) free(n int64) {
	if p.spent = max(p.spent-n, 0); p.spent == 0 {
		p.owed = nil
	}
}

// take spends n bytes on a peer; "" is nobody who could settle.
func (p *purse) take(id peer.ID, n int64) {
	p.spent += n
	if id == "" {
		return
	}
	if p.owed == nil {
		p.owed = make(map[peer.ID]int64)
	}
	if _, ok := p.owed[id]; ok || len(p.owed) < maxOwed {
		p.owed[id] += n
	}
}

// settle frees what a peer had that now gives something.
func (p *purse) settle(id peer.ID) {
	if n, ok := p.owed[id]; ok {
		p.spent = max(p.spent-n, 0)
		delete(p.owed, id)
	}
}
