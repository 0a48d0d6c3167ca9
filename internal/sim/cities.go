package sim

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// Cities places every node in a city and has messages travel between cities at
// two thirds of the speed of light, on ways that are half as long again as the
// great circle, after an access delay of each node's own. It is a synthetic
// stand-in for a measured matrix: the weights are rough shares of the Internet's
// hosts, not census figures.
type Cities struct {
	// Jitter is the mean of an exponentially distributed delay that every message
	// has in addition. 0 means none.
	Jitter time.Duration
	key    uint64
}

// city is a place in degrees, and how many nodes are there relative to others.
type city struct {
	lat, lon float64
	weight   int
}

var cities = [...]city{
	{40.7, -74.0, 10}, {37.4, -122.1, 9}, {41.9, -87.6, 6}, {32.8, -96.8, 5}, {47.6, -122.3, 4}, // New York, Silicon Valley, Chicago, Dallas, Seattle
	{33.7, -84.4, 4}, {34.1, -118.2, 5}, {43.7, -79.4, 3}, {19.4, -99.1, 2}, {-23.5, -46.6, 4}, // Atlanta, Los Angeles, Toronto, Mexico City, Sao Paulo
	{-34.6, -58.4, 2}, {4.7, -74.1, 1}, {51.5, -0.1, 7}, {48.9, 2.4, 6}, {50.1, 8.7, 10}, // Buenos Aires, Bogota, London, Paris, Frankfurt
	{52.4, 4.9, 6}, {60.2, 24.9, 4}, {59.3, 18.1, 2}, {52.2, 21.0, 3}, {40.4, -3.7, 3}, // Amsterdam, Helsinki, Stockholm, Warsaw, Madrid
	{45.5, 9.2, 3}, {55.8, 37.6, 4}, {41.0, 29.0, 2}, {25.2, 55.3, 1}, {30.0, 31.2, 1}, // Milan, Moscow, Istanbul, Dubai, Cairo
	{6.5, 3.4, 1}, {-26.2, 28.0, 1}, {19.1, 72.9, 4}, {12.9, 77.6, 3}, {1.4, 103.8, 5}, // Lagos, Johannesburg, Mumbai, Bangalore, Singapore
	{-6.2, 106.8, 2}, {22.3, 114.2, 4}, {31.2, 121.5, 6}, {39.9, 116.4, 6}, {37.6, 127.0, 5}, // Jakarta, Hong Kong, Shanghai, Beijing, Seoul
	{35.7, 139.7, 7}, {25.0, 121.5, 2}, {14.6, 121.0, 1}, {-33.9, 151.2, 3}, {-36.8, 174.8, 1}, // Tokyo, Taipei, Manila, Sydney, Auckland
}

// cityWeight is the sum of all weights.
var cityWeight = func() (sum int) {
	for _, c := range cities {
		sum += c.weight
	}
	return sum
}()

// cityAt is the city of each part of the weight, in the order of the cities: a
// node's city takes one look.
var cityAt = func() []uint8 {
	at := make([]uint8, 0, cityWeight)
	for i, c := range cities {
		at = append(at, slices.Repeat([]uint8{uint8(i)}, c.weight)...)
	}
	return at
}()

// cityDelay is one way between two cities, without access.
var cityDelay = func() (table [len(cities)][len(cities)]time.Duration) {
	const (
		earthKm  = 6371.0
		kmPerSec = 299_792.458 * 2 / 3
		detour   = 1.5
	)
	for i, a := range cities {
		for j, b := range cities {
			rad := math.Pi / 180
			h := math.Pow(math.Sin((a.lat-b.lat)*rad/2), 2) +
				math.Cos(a.lat*rad)*math.Cos(b.lat*rad)*math.Pow(math.Sin((a.lon-b.lon)*rad/2), 2)
			km := 2 * earthKm * math.Asin(math.Min(1, math.Sqrt(h)))
			table[i][j] = withinCity + time.Duration(km*detour/kmPerSec*float64(time.Second))
		}
	}
	return table
}()

func (c Cities) seed(seed uint64) Latency { c.key = seed; return c }

// How long messages take between two nodes of one city, whose providers may meet
// elsewhere, and between a home and its provider. Fibre is faster than this; but the
// least delay is also the length of the windows in which shards run (crew.go), and
// nothing that is measured depends on whether neighbours are one or ten
// milliseconds apart.
const (
	withinCity  = 2 * time.Millisecond
	leastAccess = 4 * time.Millisecond
	mostAccess  = 12 * time.Millisecond
)

// place is a node's city and its access delay, which is spread evenly.
func (c Cities) place(n uint32) (city int, access time.Duration) {
	h := mix(c.key, uint64(n))
	access = leastAccess + time.Duration(h>>40)*(mostAccess-leastAccess)>>24
	return int(cityAt[int(h&(1<<32-1))*cityWeight>>32]), access
}

// Mean implements [Latency].
func (c Cities) Mean(from, to uint32) time.Duration {
	a, x := c.place(from)
	b, y := c.place(to)
	return x + cityDelay[a][b] + y + c.Jitter
}

// Delay implements [Latency].
func (c Cities) Delay(from, to uint32, rng *rand.Rand) time.Duration {
	d := c.Mean(from, to)
	if c.Jitter > 0 {
		d += time.Duration((rng.ExpFloat64() - 1) * float64(c.Jitter))
	}
	return d
}

// Least implements [Latency]: two nodes of one city, each with the shortest access,
// and no jitter.
func (c Cities) Least() time.Duration { return 2*leastAccess + withinCity }

// Validate reports a negative jitter.
func (c Cities) Validate() error {
	if c.Jitter < 0 {
		return invalid("Latency.Jitter", "is %v, must not be negative", c.Jitter)
	}
	return nil
}
