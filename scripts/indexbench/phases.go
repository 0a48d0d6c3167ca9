package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"
)

var (
	engines = []string{"pebble", "bbolt"}
	order   = []string{"base", "ingest", "open", "get", "small", "lazy", "kill", "after", "damage"}
	rows    = []string{
		"ingest", "bytes written for it", "peak resident while ingesting", "index on disk",
		"open, median / worst of 9", "resident when open and idle, above an empty program", "the same after 100,000 random gets",
		"random get by prefix, warm", "durable commit of 10 entries, median / 99th", "batch of 10 left to the packs' log, median / 99th",
		"after kill -9 while committing (own log on)", "after kill -9 while committing (own log off)", damageRow,
		"binary, stripped: engine adds", "modules linked",
	}
	phases = map[string]func(e, dir string) (figures, error){
		"base": base, "ingest": ingest, "open": openIdle, "get": gets,
		"small": small, "lazy": lazy, "kill": killSelf, "after": after, "damage": damage,
	}
)

// damageRow is the figure that a process may die of measuring.
const damageRow = "one damaged byte in every 64 KiB"

// entry is the i-th entry: a location of a block, as the store would keep it.
func entry(i int) pair {
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], uint64(i))
	h := sha256.Sum256(n[:])
	k := make([]byte, 0, 43)
	k = append(k, 'b', 0x12, 0x20)
	k = append(k, h[:]...)
	k = append(k, n[:]...)
	v := binary.AppendUvarint(nil, uint64(i)<<20)
	v = binary.AppendUvarint(v, 1<<20)
	return pair{k, append(v, 1, 7)}
}

func batchFrom(i, n int) []pair {
	b := make([]pair, n)
	for j := range b {
		b[j] = entry(i + j)
	}
	return b
}

// base measures the program itself, with nothing opened.
func base(_, dir string) (figures, error) {
	return nil, os.WriteFile(filepath.Join(dir, "base"), fmt.Append(nil, resident("VmRSS")), 0o600)
}

func ingest(e, dir string) (figures, error) {
	db, err := openEngine(e, dir, false)
	if err != nil {
		return nil, err
	}
	before, start := ioWritten(), time.Now()
	for i := 0; i < *refs; i += *batch {
		if err := db.apply(batchFrom(i, min(*batch, *refs-i))); err != nil {
			return nil, err
		}
	}
	if err := db.flush(); err != nil {
		return nil, err
	}
	took := time.Since(start)
	f := figures{
		"ingest":                        fmt.Sprintf("%.1f s", took.Seconds()),
		"bytes written for it":          fmt.Sprintf("%d MiB", (ioWritten()-before)>>20),
		"peak resident while ingesting": fmt.Sprintf("%d MiB", resident("VmHWM")>>20),
	}
	if err := db.close(); err != nil {
		return nil, err
	}
	f["index on disk"] = fmt.Sprintf("%d MiB", dirBytes(filepath.Join(dir, e))>>20)
	return f, nil
}

func openIdle(e, dir string) (figures, error) {
	var db engine
	took := make([]time.Duration, 9)
	for i := range took {
		if db != nil {
			if err := db.close(); err != nil {
				return nil, err
			}
		}
		start := time.Now()
		var err error
		if db, err = openEngine(e, dir, false); err != nil {
			return nil, err
		}
		took[i] = time.Since(start)
	}
	slices.Sort(took)
	f := figures{
		"open, median / worst of 9":                           fmt.Sprintf("%.1f / %.1f ms", took[4].Seconds()*1e3, took[8].Seconds()*1e3),
		"resident when open and idle, above an empty program": idleAbove(dir),
	}
	return f, db.close()
}

func gets(e, dir string) (figures, error) {
	db, err := openEngine(e, dir, false)
	if err != nil {
		return nil, err
	}
	r := rand.New(rand.NewPCG(1, 2))
	read := func(n int) error {
		for range n {
			p, hits := entry(r.IntN(*refs)), 0
			if err := db.under(p.key[:35], func(_, v []byte) {
				if bytes.Equal(v, p.value) {
					hits++
				}
			}); err != nil {
				return err
			}
			if hits != 1 {
				return fmt.Errorf("found %d times", hits)
			}
		}
		return nil
	}
	if err := read(50_000); err != nil {
		return nil, err
	}
	start := time.Now()
	if err := read(50_000); err != nil {
		return nil, err
	}
	took := time.Since(start)
	f := figures{
		"random get by prefix, warm":         fmt.Sprintf("%.1f us", took.Seconds()*1e6/50_000),
		"the same after 100,000 random gets": idleAbove(dir),
	}
	return f, db.close()
}

// small measures commits that the engine itself makes durable.
func small(e, dir string) (figures, error) {
	f, err := commits(e, dir, true)
	return figures{"durable commit of 10 entries, median / 99th": f}, err
}

// lazy measures commits whose durability is the packs' business.
func lazy(e, dir string) (figures, error) {
	f, err := commits(e, dir, false)
	return figures{"batch of 10 left to the packs' log, median / 99th": f}, err
}

func commits(e, dir string, durable bool) (string, error) {
	db, err := openEngine(e, dir, durable)
	if err != nil {
		return "", err
	}
	const n = 500
	took := make([]time.Duration, n)
	for i := range took {
		b := batchFrom(1<<40+rand.Int(), 10)
		start := time.Now()
		if err := db.apply(b); err != nil {
			return "", err
		}
		took[i] = time.Since(start)
	}
	slices.Sort(took)
	ms := func(d time.Duration) float64 { return d.Seconds() * 1e3 }
	return fmt.Sprintf("%.2f / %.2f ms", ms(took[n/2]), ms(took[n*99/100])), db.close()
}

// killSelf commits to two fresh databases, one durable and one not, and kills
// its own process in the middle, as kill -9 would.
func killSelf(e, dir string) (figures, error) {
	for _, sub := range []string{"hard", "soft"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return nil, err
		}
	}
	hard, err := openEngine(e, filepath.Join(dir, "hard"), true)
	if err != nil {
		return nil, err
	}
	soft, err := openEngine(e, filepath.Join(dir, "soft"), false)
	if err != nil {
		return nil, err
	}
	done, err := os.Create(filepath.Join(dir, "done"))
	if err != nil {
		return nil, err
	}
	time.AfterFunc(2*time.Second, func() { _ = syscall.Kill(os.Getpid(), syscall.SIGKILL) })
	for i := 0; ; i += 100 {
		if err := hard.apply(batchFrom(i, 100)); err != nil {
			return nil, err
		}
		if err := soft.apply(batchFrom(i, 100)); err != nil {
			return nil, err
		}
		if _, err := done.WriteAt(fmt.Appendf(nil, "%12d", i), 0); err != nil {
			return nil, err
		}
	}
}

// after looks at what killSelf left.
func after(e, dir string) (figures, error) {
	var last int
	if b, err := os.ReadFile(filepath.Join(dir, "done")); err != nil {
		return nil, err
	} else if _, err := fmt.Sscan(string(b), &last); err != nil {
		return nil, err
	}
	f := figures{}
	for sub, row := range map[string]string{"hard": "after kill -9 while committing (own log on)", "soft": "after kill -9 while committing (own log off)"} {
		text, err := survivors(e, filepath.Join(dir, sub), last)
		if err != nil {
			text = "does not open: " + err.Error()
		}
		f[row] = text
		_ = os.RemoveAll(filepath.Join(dir, sub))
	}
	return f, nil
}

func survivors(e, dir string, last int) (string, error) {
	db, err := openEngine(e, dir, false)
	if err != nil {
		return "", err
	}
	n, gap := 0, false
	for i := 0; i <= last; i += 100 {
		hits := 0
		if err := db.under(entry(i).key[:35], func(_, _ []byte) { hits++ }); err != nil {
			return "", err
		}
		if hits == 0 {
			gap = true
			continue
		}
		if gap {
			return fmt.Sprintf("batch %d present after a lost one", i), db.close()
		}
		n++
	}
	return fmt.Sprintf("%d of %d batches, a prefix", n, last/100+1), db.close()
}

// damage flips a byte in every 64 KiB of the data files and reads on.
func damage(e, dir string) (figures, error) {
	files, _ := filepath.Glob(filepath.Join(dir, e, "*"))
	for _, name := range files {
		if filepath.Ext(name) != ".sst" && filepath.Base(name) != "db" {
			continue
		}
		b, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		for i := 32<<10 + 77; i < len(b); i += 64 << 10 {
			b[i] ^= 0x10
		}
		if err := os.WriteFile(name, b, 0o600); err != nil {
			return nil, err
		}
	}
	db, err := openEngine(e, dir, false)
	if err != nil {
		return figures{damageRow: "refused at open"}, nil
	}
	wrong, missing, refused := 0, 0, 0
	for i := range 20_000 {
		p, hits := entry(i*(*refs/20_000)), 0
		err := db.under(p.key[:35], func(k, v []byte) {
			hits++
			if !bytes.Equal(k, p.key) || !bytes.Equal(v, p.value) {
				wrong++
			}
		})
		if err != nil {
			refused++
		} else if hits == 0 {
			missing++
		}
	}
	return figures{damageRow: fmt.Sprintf("of 20,000 reads %d refused, %d silently missing, %d silently wrong", refused, missing, wrong)}, nil
}

func idleAbove(dir string) string {
	runtime.GC()
	debug.FreeOSMemory()
	var baseline int64
	if b, err := os.ReadFile(filepath.Join(dir, "base")); err == nil {
		_, _ = fmt.Sscan(string(b), &baseline)
	}
	return fmt.Sprintf("%.1f MiB", float64(resident("VmRSS")-baseline)/(1<<20))
}

// resident reads a memory figure of this process, in bytes (Linux only).
func resident(what string) int64 { return procField("/proc/self/status", what) << 10 }

// ioWritten is how many bytes this process has written to files.
func ioWritten() int64 { return procField("/proc/self/io", "wchar") }

func procField(file, what string) int64 {
	b, _ := os.ReadFile(file)
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, what+":"); ok {
			var n int64
			_, _ = fmt.Sscan(rest, &n)
			return n
		}
	}
	return 0
}
