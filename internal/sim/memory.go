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

// CPUSeconds is the time that this process has spent on processors so far, all
// threads together, to a hundredth of a second, as Linux tells it; 0 elsewhere.
func CPUSeconds() float64 {
	b, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(b), ") ") // what is before may have spaces in it
	fields := strings.Fields(rest)
	const user, system, ticks = 11, 12, 100
	if len(fields) <= system {
		return 0
	}
	u, err1 := strconv.ParseFloat(fields[user], 64)
	s, err2 := strconv.ParseFloat(fields[system], 64)
	if err1 != nil || err2 != nil {
		return 0
	}
	return (u + s) / ticks
}
