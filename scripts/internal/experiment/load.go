package experiment

import (
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"io"
	"math"
	"slices"
	"sort"

	"golang.org/x/sync/errgroup"

	"ringswap/overlay"
	"ringswap/scripts/internal/figure"
)

// Load measures how evenly keys are spread over nodes: on a ring where every
// node has one place, several places (virtual nodes), or its predecessors'
// copies, and in Kademlia with copies at the k nearest.
type Load struct {
	nodes, keys, runs, copies, k int
	seed                         uint64
}

// virtual are the numbers of places a node that are compared.
var virtual = []int{1, 2, 5, 10, 20}

// About implements figure.Program.
func (*Load) About() figure.About {
	return figure.About{
		Name:    "load",
		Summary: "load measures how evenly keys are spread over nodes, as multiples of the mean.",
		Examples: [][2]string{
			{"load", "the published setting: 10^4 nodes, 5*10^5 keys"},
			{"load --nodes 1000 --keys 50000 --json", "a smaller network, for programs"},
			{"load --out /tmp/figures", "also as CSV, SVG and PNG"},
		},
	}
}

// Flags implements figure.Program.
func (l *Load) Flags(fs *flag.FlagSet) {
	fs.IntVar(&l.nodes, "nodes", 10_000, "`number` of nodes")
	fs.IntVar(&l.keys, "keys", 500_000, "`number` of keys")
	fs.IntVar(&l.runs, "runs", 5, "`number` of networks, each with other IDs")
	fs.IntVar(&l.copies, "copies", 8, "copies of a key on Chord's successors")
	fs.IntVar(&l.k, "k", 20, "copies of a key on Kademlia's nearest nodes")
	fs.Uint64Var(&l.seed, "seed", 1, "IDs of nodes and keys follow from it")
}

// Validate implements figure.Program.
func (l *Load) Validate() error {
	for _, err := range []error{
		within("nodes", l.nodes, 2, 1_000_000),
		within("keys", l.keys, 1, 100_000_000),
		within("runs", l.runs, 1, 1000),
		within("copies", l.copies, 1, l.nodes),
		within("k", l.k, 1, l.nodes),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

// scheme is one way of giving keys to nodes.
type scheme struct {
	overlay  string
	places   int // of a node on the ring
	copies   int // of a key
	multiple []float64
	max      float64 // mean over the runs
}

func (l *Load) schemes() []*scheme {
	var all []*scheme
	for _, v := range virtual {
		all = append(all, &scheme{overlay: "chord", places: v, copies: 1})
	}
	return append(all,
		&scheme{overlay: "chord", places: 1, copies: l.copies},
		&scheme{overlay: "kademlia", places: 1, copies: 1},
		&scheme{overlay: "kademlia", places: 1, copies: l.k})
}

// Run implements figure.Program.
func (l *Load) Run(ctx context.Context, progress io.Writer) (*figure.Report, error) {
	all := l.schemes()
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(2)
	for _, s := range all {
		group.Go(func() error {
			for run := range l.runs {
				if err := ctx.Err(); err != nil {
					return err
				}
				s.add(l.count(s, uint64(run)))
			}
			slices.Sort(s.multiple)
			s.max /= float64(l.runs)
			fmt.Fprintf(progress, "%s, %d places a node, %d copies a key: 99th percentile %.2f times the mean\n",
				s.overlay, s.places, s.copies, quantile(s.multiple, .99))
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return l.report(all), nil
}

// add takes the number of keys of every node in one more network.
func (s *scheme) add(counts []int) {
	average, most := mean(counts), 0.0
	for _, c := range counts {
		m := float64(c) / average
		s.multiple, most = append(s.multiple, m), max(most, m)
	}
	s.max += most
}

// place is a point of the keyspace that a node answers for.
type place struct {
	id   overlay.ID
	node int
}

// point is the i-th ID of a kind: the hash of what it is, as IDs are.
func (l *Load) point(kind byte, run uint64, i, j int) overlay.ID {
	b := binary.BigEndian.AppendUint64([]byte{kind}, l.seed)
	b = binary.BigEndian.AppendUint64(b, run)
	b = binary.BigEndian.AppendUint32(b, uint32(i))
	return overlay.RawKey(binary.BigEndian.AppendUint32(b, uint32(j))).ID()
}

// count gives every key to its nodes and counts.
func (l *Load) count(s *scheme, run uint64) []int {
	places := make([]place, 0, l.nodes*s.places)
	for node := range l.nodes {
		for v := range s.places {
			places = append(places, place{l.point('n', run, node, v), node})
		}
	}
	slices.SortFunc(places, func(a, b place) int { return a.id.Compare(b.id) })
	counts := make([]int, l.nodes)
	for k := range l.keys {
		key := l.point('k', run, k, 0)
		if s.overlay == "chord" {
			successors(places, key, s.copies, counts)
		} else {
			nearest(places, key, s.copies, counts)
		}
	}
	return counts
}

// successors counts the key at the first places from it on around the ring.
func successors(places []place, key overlay.ID, copies int, counts []int) {
	at := sort.Search(len(places), func(i int) bool { return places[i].id.Compare(key) >= 0 })
	for i := range copies {
		counts[places[(at+i)%len(places)].node]++
	}
}

// nearest counts the key at the nodes with the least XOR distance: they are
// inside the smallest subtree around the key that has enough nodes.
func nearest(places []place, key overlay.ID, copies int, counts []int) {
	for d := 0; d < 8*overlay.IDBytes; d++ {
		half := sort.Search(len(places), func(i int) bool { return places[i].id.Bit(d) == 1 })
		side := places[:half]
		if key.Bit(d) == 1 {
			side = places[half:]
		}
		if len(side) < copies {
			break
		}
		places = side
	}
	if len(places) > copies {
		places = slices.Clone(places)
		slices.SortFunc(places, func(a, b place) int {
			if key.Closer(a.id, b.id) {
				return -1
			}
			return 1
		})
	}
	for _, p := range places[:copies] {
		counts[p.node]++
	}
}

func (l *Load) report(all []*scheme) *figure.Report {
	t := &figure.Table{
		Name: "load", Title: "Keys a node, as multiples of the mean",
		Columns: []figure.Column{
			{Name: "overlay"},
			{Name: "places", Head: "places a node"},
			{Name: "copies", Head: "copies a key"},
			{Name: "p1", Digits: 2},
			{Name: "p50", Digits: 2},
			{Name: "p99", Digits: 2},
			{Name: "max", Digits: 2},
			{Name: "published_p99", Head: "published p99", Digits: 1},
			{Name: "published_max", Head: "published max", Digits: 1},
		},
	}
	for _, s := range all {
		var p99, most any
		switch {
		case s.overlay != "chord" || s.copies > 1:
		case s.places == 1:
			p99, most = chordLoad.p99, chordLoad.max
		case s.places == 20:
			p99 = chordLoad.p99Virtual
		}
		t.Add(s.overlay, s.places, s.copies, quantile(s.multiple, .01), quantile(s.multiple, .5), quantile(s.multiple, .99), s.max, p99, most)
	}
	return &figure.Report{
		Title: "Keys a node", Tables: []*figure.Table{t}, Charts: []*figure.Chart{l.chart(all)},
		Text: l.text(all),
	}
}

func (l *Load) text(all []*scheme) []string {
	plain, copies, near := all[0], all[len(virtual)], all[len(all)-1]
	return []string{
		fmt.Sprintf("With one place a node the arcs between neighbours are nearly exponential, so the fullest of %s nodes has "+
			"about ln %d + 0.58 = %.1f times the mean: %.1f here in the mean of %d networks, %.1f in the paper's figure, which is within "+
			"what one network differs from another. The 99th percentile is ln 100 = 4.6 in theory, %.2f here, %.1f in the paper.",
			figure.Number(float64(l.nodes)), l.nodes, math.Log(float64(l.nodes))+0.577, plain.max, l.runs, chordLoad.max,
			quantile(plain.multiple, .99), chordLoad.p99),
		fmt.Sprintf("ringswap runs one place a node: virtual nodes multiply the maintenance, and copies even out the load just as "+
			"well, because a node that keeps its %d predecessors' keys sums up as many arcs. With %d copies on successors the 99th percentile is %.2f, "+
			"with %d on Kademlia's nearest nodes %.2f.", l.copies, l.copies, quantile(copies.multiple, .99), l.k, quantile(near.multiple, .99)),
	}
}

func (l *Load) chart(all []*scheme) *figure.Chart {
	const floor = 1e-4
	tail := func(s *scheme) []figure.Point {
		n := len(s.multiple)
		var out []figure.Point
		for x := 0.0; ; x += 0.05 {
			above := n - sort.SearchFloat64s(s.multiple, x)
			if float64(above)/float64(n) < floor {
				return out
			}
			out = append(out, figure.Point{X: x, Y: float64(above) / float64(n)})
		}
	}
	formula := func(c int, end float64) figure.Series {
		f := func(x float64) float64 { return arcSurvival(x, c) }
		return figure.Series{Kind: figure.Theory, Color: figure.Grey, Points: figure.Sample(f, 0, end, 120, false), Side: figure.Nowhere}
	}
	tails := figure.Panel{
		Title: "How many nodes have so much",
		X:     figure.Axis{Label: "keys a node, as a multiple of the mean", Min: 0, Max: 10.4},
		Y:     figure.Axis{Label: "share of nodes with at least this load", Log: true, Min: floor, Max: 1, Format: figure.Percent},
		Series: []figure.Series{
			formula(1, 9.2), formula(l.copies, 3.1), formula(20, 2.08),
			{Label: "Chord", Kind: figure.Curve, Color: figure.Blue, Points: tail(all[0]), Side: figure.Right, At: 110},
			{Kind: figure.Curve, Color: figure.Green, Points: tail(all[len(virtual)]), Side: figure.Nowhere},
			{Kind: figure.Curve, Color: figure.Sky, Points: tail(all[len(virtual)-1]), Side: figure.Nowhere},
			{Kind: figure.Curve, Color: figure.Orange, Points: tail(all[len(all)-1]), Side: figure.Nowhere},
			{
				Label: "Stoica et al.", Kind: figure.Paper, Color: figure.Ink, Side: figure.Right,
				Points: []figure.Point{{X: chordLoad.p99, Y: .01}, {X: chordLoad.max, Y: floor}, {X: chordLoad.p99Virtual, Y: .01}},
			},
		},
		Notes: []figure.Note{
			{X: 2.9, Y: 1.6e-3, Text: fmt.Sprintf("Chord, %d copies", l.copies), Color: figure.Green, Bold: true},
			{X: 2.9, Y: 8e-4, Text: "Chord, 20 places", Color: figure.Sky, Bold: true},
			{X: 2.9, Y: 4e-4, Text: fmt.Sprintf("Kademlia, %d copies", l.k), Color: figure.Orange, Bold: true},
		},
	}
	return &figure.Chart{
		Name: "load", Title: "Copies even out the load as well as virtual nodes do",
		Subtitle: "Keys a node on the ring, and on Kademlia's nearest nodes",
		Caption: fmt.Sprintf("%s nodes, %s keys, %d networks, seed %d. Published: Stoica et al. 2003, figures 8 and 9. Formula: arcs of exponential length.",
			figure.Number(float64(l.nodes)), figure.Number(float64(l.keys)), l.runs, l.seed),
		Panels: []figure.Panel{tails, l.spreadPanel(all)},
	}
}

// spreadPanel shows the 1st and 99th percentile against the places a node.
func (l *Load) spreadPanel(all []*scheme) figure.Panel {
	var low, high []figure.Point
	for _, s := range all[:len(virtual)] {
		low = append(low, figure.Point{X: float64(s.places), Y: quantile(s.multiple, .01)})
		high = append(high, figure.Point{X: float64(s.places), Y: quantile(s.multiple, .99)})
	}
	near := all[len(all)-1]
	return figure.Panel{
		Title: "Virtual nodes",
		X:     figure.Axis{Label: "places a node on the ring, or copies a key", Log: true, Min: .9, Max: 23, Ticks: []float64{1, 2, 5, 10, 20}},
		Y:     figure.Axis{Label: "load, as a multiple of the mean", Min: 0, Max: 5},
		Series: []figure.Series{
			{Label: "99th percentile", Kind: figure.Measured, Color: figure.Blue, Points: high, Side: figure.Right, At: 1},
			{Label: "1st percentile", Kind: figure.Measured, Color: figure.Sky, Points: low, Side: figure.Above, At: 2},
			{
				Kind: figure.Paper, Color: figure.Ink, Side: figure.Nowhere,
				Points: []figure.Point{{X: 1, Y: chordLoad.p99}, {X: 20, Y: chordLoad.p99Virtual}},
			},
			{
				Label: fmt.Sprintf("Kademlia,\n%d copies", l.k), Kind: figure.Measured, Color: figure.Orange, Side: figure.Below,
				Points: []figure.Point{{X: float64(l.k), Y: quantile(near.multiple, .99)}},
			},
		},
	}
}
