package sim

import (
	"runtime"
	"sync"
)

// parallel calls f with consecutive parts of [0, n), on every core at once. What
// f does with one part must not depend on the others.
func parallel(n int, f func(from, to int)) {
	parts := min(runtime.GOMAXPROCS(0), 1+n/1024)
	if parts == 1 {
		f(0, n)
		return
	}
	var wg sync.WaitGroup
	for p := range parts {
		wg.Go(func() { f(n*p/parts, n*(p+1)/parts) })
	}
	wg.Wait()
}
