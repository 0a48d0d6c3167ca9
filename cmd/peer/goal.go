package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"ringswap/internal/node"
)

func goalCommand(p *program) *cli.Command {
	return p.command(&cli.Command{
		Name:      "goal",
		Category:  categoryMain,
		Usage:     "show or change when enough has been given back",
		ArgsUsage: "[CID|LINK]",
		Description: `What was fetched is shared onwards while the daemon runs, until it has given so many
times its size, or for so long; whichever comes first. Then it rests: it is not
served and not announced any more, and its files stay where they are. What you
share yourself has no goal, unless you set one for its CID. To wake what rests:
peer resume.

Examples:
   peer goal                          # what is set
   peer goal --ratio 2 --time 7d      # for everything that is fetched
   peer goal bafy... --ratio none --time none`,
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "ratio", Usage: "rest after having given `N` times its size, such as 1.5; none does not count"},
			&cli.StringFlag{Name: "time", Usage: "rest after having been served for `DURATION`, such as 90m, 12h or 7d; none does not count"},
		}, nodeFlags()...),
	}, 0, 1, goal)
}

func goal(ctx context.Context, in *invocation) error {
	var change node.SettingsChange
	if text := in.cli.String("ratio"); text != "" {
		r, err := parseRatio(text)
		if err != nil {
			return usageError("peer goal --ratio 2", "--ratio: %v", err)
		}
		change.GoalRatio = &r
	}
	if text := in.cli.String("time"); text != "" {
		d, err := parseSpan(text)
		if err != nil {
			return usageError("peer goal --time 12h", "--time: %v", err)
		}
		s := d.Seconds()
		change.GoalSeconds = &s
	}
	return in.change(ctx, change)
}

// parseRatio reads a number that is more than 0, or none.
func parseRatio(text string) (float64, error) {
	if strings.EqualFold(text, "none") {
		return 0, nil
	}
	r, err := strconv.ParseFloat(text, 64)
	if err != nil || !(r > 0 && r <= 1e6) {
		return 0, fmt.Errorf("%q is not a ratio: write a number such as 1.5, or none", text)
	}
	return r, nil
}

// parseSpan reads a time span that is more than 0, also in days, or none.
func parseSpan(text string) (time.Duration, error) {
	if strings.EqualFold(text, "none") {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if days, ok := strings.CutSuffix(text, "d"); ok {
		var n float64
		n, err = strconv.ParseFloat(days, 64)
		d = time.Duration(n * 24 * float64(time.Hour))
	}
	if err != nil || d <= 0 || d > 36500*24*time.Hour {
		return 0, fmt.Errorf("%q is not a time: write 90m, 12h, 7d or none", text)
	}
	return d, nil
}

func goalText(g node.Goal) string {
	var parts []string
	if g.Ratio > 0 {
		parts = append(parts, "until it has given "+strconv.FormatFloat(g.Ratio, 'g', 4, 64)+" times its size")
	}
	if g.Seconds > 0 {
		parts = append(parts, "for "+span(g.Seconds))
	}
	if len(parts) == 0 {
		return "without end"
	}
	return strings.Join(parts, ", or ")
}

// span is a long time for people.
func span(s float64) string {
	if days := s / (24 * 3600); days >= 2 {
		return strconv.FormatFloat(days, 'g', 3, 64) + " days"
	}
	return seconds(s)
}
