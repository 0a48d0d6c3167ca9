package publish

import (
	"encoding/binary"
	"math/bits"
	"time"

	"ringswap/overlay"
)

// Turn is how long a provider waits until it announces key again, so that each
// key is announced once in interval and their turns are spread evenly over it by
// their places, like a sweep over the keyspace: ten thousand keys never come due
// at once. origin shifts one node's sweep against everyone else's. A turn that
// comes very soon is left out: the answer is 1/8 to 9/8 of the interval.
func Turn(now time.Time, key overlay.ID, interval, origin time.Duration) time.Duration {
	turn, _ := bits.Mul64(binary.BigEndian.Uint64(key[:8]), uint64(interval))
	wait := (time.Duration(turn) + origin - time.Duration(now.UnixNano()%int64(interval))) % interval
	if wait < 0 {
		wait += interval
	}
	if wait < interval/8 {
		wait += interval
	}
	return wait
}
