package experiment

import (
	"io"
	"strings"
	"testing"

	"ringswap/scripts/internal/figure"
)

// TestSpeed: small runs of everything give figures.
func TestSpeed(t *testing.T) {
	report, err := figure.Collect(t.Context(), new(Speed), []string{
		"--n", "500", "--lookups", "50", "--churned", "40", "--virtual", "2m", "--per-second", "1",
	}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	runs := report.Result.(map[string]any)["runs"].([]*SpeedResult)
	if len(runs) != 4 {
		t.Fatalf("%d runs", len(runs))
	}
	for _, r := range runs {
		if r.Lookups == 0 || r.Failed > r.Lookups/10 || r.Seconds <= 0 || r.Digest == 0 || (r.What == "churn") != (r.Events > 0) {
			t.Errorf("%+v", r)
		}
	}
}

func TestSpeedFlags(t *testing.T) {
	for flag, value := range map[string]string{
		"only": "hops", "overlay": "pastry", "n": "0", "lookups": "0", "entries": "1", "churned": "1", "virtual": "1s", "session": "0s", "per-second": "-1",
	} {
		_, err := figure.Collect(t.Context(), new(Speed), []string{"--" + flag, value}, io.Discard)
		if err == nil || !strings.Contains(err.Error(), "--"+flag) {
			t.Errorf("--%s %s: %v", flag, value, err)
		}
	}
}
