package main

import (
	"strings"
	"testing"
)

func TestParseRate(t *testing.T) {
	for in, want := range map[string]int64{
		"0": 0, "1": 1, "2MB": 2e6, "500KiB": 512000, "500kib": 512000, "1.5MiB": 3 << 19, "10kB/s": 10_000, "1GB": 1e9, "3B": 3, "0.5kB": 500,
		"1TiB": 1 << 40,
	} {
		if got, err := parseRate(in); err != nil || got != want {
			t.Errorf("parseRate(%q) = %d, %v; want %d", in, got, err, want)
		}
	}
	for in, want := range map[string]string{
		"": "not a rate", "none": "not a rate", "fast": "not a rate", "-1": "not a rate", "1 MB": "not a rate", "1e6": "not a rate", "2M": "2MB (of 1000)",
		"2k": "2kiB", "1Mbit": "unknown unit", "9999999TB": "more than any", "0.1": "less than one", "1..2": "not a rate", "0x10": "not a rate", "٣": "not a rate",
		"1.": "not a rate", ".5MB": "not a rate", "NaN": "not a rate", "Inf": "not a rate",
	} {
		if got, err := parseRate(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("parseRate(%q) = %d, %v; want an error with %q", in, got, err, want)
		}
	}
	if n, err := parseUpRate("None"); n != -1 || err != nil {
		t.Errorf("none: %d, %v", n, err)
	}
}

func FuzzParseRate(f *testing.F) {
	for _, s := range []string{"2MB", "500KiB", "0", "none", "1.5GiB/s", "999999999999999999TB", "0.000000001"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := parseRate(s)
		if err == nil && (n < 0 || n > 1<<50) {
			t.Fatalf("parseRate(%q) = %d", s, n)
		}
		if n == 0 && err == nil && strings.ContainsAny(s, "123456789") {
			t.Fatalf("%q was taken for no limit", s)
		}
	})
}
