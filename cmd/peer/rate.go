package main

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"

	"ringswap/internal/node"
)

// units are what a RATE may end in; one without a unit is bytes.
var units = map[string]float64{
	"": 1, "b": 1,
	"kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12,
	"kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40,
}

var ratePattern = regexp.MustCompile(`^([0-9]{1,18}(?:\.[0-9]{1,9})?)([A-Za-z]*)$`)

// parseRate reads a RATE in bytes a second: 2MB, 500KiB, 1.5MiB; 0 is no
// limit. One that is more than 0 is at least 1.
func parseRate(s string) (int64, error) {
	m := ratePattern.FindStringSubmatch(strings.TrimSuffix(strings.ToLower(s), "/s"))
	if m == nil {
		return 0, fmt.Errorf("%q is not a rate: write bytes a second, such as 2MB, 500KiB or 0", s)
	}
	unit, ok := units[m[2]]
	if !ok {
		if _, ok := units[m[2]+"b"]; ok && m[2] != "" {
			return 0, fmt.Errorf("%q is not clear: write %sB (of 1000) or %siB (of 1024)", s, s, s)
		}
		return 0, fmt.Errorf("%q ends in an unknown unit: write kB, MB, GB, KiB, MiB or GiB", s)
	}
	n, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		return 0, fmt.Errorf("%q is not a rate", s)
	}
	n *= unit
	switch {
	case n > 1<<50:
		return 0, fmt.Errorf("%q is more than any network carries", s)
	case n > 0 && n < 1:
		return 0, fmt.Errorf("%q is less than one byte a second; 0 is no limit", s)
	}
	return int64(math.Round(n)), nil
}

// parseUpRate is parseRate that also knows "none": to serve nobody.
func parseUpRate(s string) (int64, error) {
	if strings.EqualFold(s, "none") {
		return node.ServeNobody, nil
	}
	return parseRate(s)
}
