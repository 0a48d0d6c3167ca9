package sim

import (
	"bufio"
	"os"
	"runtime"
	"strconv"
	"strings"
)

// PeakMiB is the most memory, in MiB, that this process has had resident so far,
// as Linux tells it; elsewhere what the Go runtime has taken from the system.
func PeakMiB() float64 {
	if f, err := os.Open("/proc/self/status"); err == nil {
		defer f.Close()
		for lines := bufio.NewScanner(f); lines.Scan(); {
			if rest, ok := strings.CutPrefix(lines.Text(), "VmHWM:"); ok {
				if kib, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 64); err == nil {
					return kib / 1024
				}
			}
		}
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.Sys) / (1 << 20)
}
