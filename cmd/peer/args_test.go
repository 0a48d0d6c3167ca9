package main

import (
	"slices"
	"strings"
	"testing"

	"ringswap/internal/node"
)

func TestArrange(t *testing.T) {
	for in, want := range map[string]string{
		"":                                   "",
		"get CID":                            "get -- CID",
		"get CID -o x":                       "get --o=x -- CID",
		"get -o x CID":                       "get --o=x -- CID",
		"get CID -o=x --force":               "get --o=x --force -- CID",
		"get CID --json":                     "--json get -- CID",
		"--json get CID -q":                  "--json --q get -- CID",
		"get --repo r CID --limit 2MB":       "--repo=r get --limit=2MB -- CID",
		"get -json CID":                      "--json get -- CID",
		"get CID --force=false":              "get --force=false -- CID",
		"get -o -x CID":                      "get --o=-x -- CID",
		"share -- --json -x":                 "share -- --json -x",
		"share a -- --json":                  "share -- a --json",
		"share help":                         "share -- help",
		"share run get":                      "share -- run get",
		"share -":                            "share -- -",
		"pin add CID --json --network n":     "--json pin add --network=n -- CID",
		"--json pin ls":                      "--json pin ls",
		"pin --json ls":                      "--json pin ls",
		"run --listen a --listen b":          "run --listen=a --listen=b",
		"cat CID --offset -1":                "cat --offset=-1 -- CID",
		"help":                               "--help",
		"help get":                           "get --help",
		"help pin add":                       "pin add --help",
		"get CID --help":                     "get --help",
		"get -h CID -o x":                    "get --o=x --help",
		"lookup --trace KEY":                 "lookup --trace -- KEY",
		"--version":                          "--version",
		"share --hidden a -- b --hidden":     "share --hidden -- a b --hidden",
		"completion bash":                    "completion -- bash",
		"run --bootstrap=/ip4/1.2.3.4/tcp/1": "run --bootstrap=/ip4/1.2.3.4/tcp/1",
	} {
		got, err := arrange(newApp(&program{}), append([]string{"peer"}, strings.Fields(in)...))
		if err != nil || strings.Join(got.args[1:], " ") != want {
			t.Errorf("peer %s: %q, %v; want %q", in, got.args, err, want)
		}
	}
}

func TestArrangeRefuses(t *testing.T) {
	for in, want := range map[string]string{
		"gte CID":             "peer get",
		"shrae":               "peer share",
		"rnu":                 "peer run",
		"xyzzy":               "peer --help",
		"pin lss":             "peer pin ls",
		"help nope":           "peer --help",
		"get CID --frce":      "peer get --force",
		"get CID --jsn":       "peer get --json",
		"get CID --xyzzy":     "peer get --help",
		"get CID -x":          "peer get --help",
		"get CID -o":          "peer get --help",
		"--repo":              "peer --help",
		"--force get CID":     "peer --help",
		"run --trcker x":      "peer run --help", // hidden: it is not in this version
		"cid --limit-up 1 x":  "peer cid --help",
		"completion --hidden": "peer completion --help",
	} {
		got, err := arrange(newApp(&program{}), append([]string{"peer"}, strings.Fields(in)...))
		if err == nil {
			t.Errorf("peer %s was taken for %q", in, got.args)
			continue
		}
		if e := node.AsError(err); e.Kind != node.KindUsage || e.Try != want {
			t.Errorf("peer %s: %q, try %q; want %q", in, e.What, e.Try, want)
		}
	}
}

// FuzzArrange checks that no argument is lost, doubled or reordered: what comes
// after the first "--" of the result is what the line had besides flags.
func FuzzArrange(f *testing.F) {
	for _, s := range []string{"get\nCID\n-o\nx", "share\n--\n--json", "pin\nadd\nx\n--repo=y", "--json\nls", "get\n-h", "help\nget", "cat\nx\n--offset\n-1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		argv := append([]string{"peer"}, strings.Split(in, "\n")...)
		got, err := arrange(newApp(&program{}), argv)
		if err != nil {
			if node.AsError(err).Kind != node.KindUsage {
				t.Fatalf("%q: %v", argv, err)
			}
			return
		}
		i := slices.Index(got.args, "--")
		if i < 0 {
			return
		}
		rest := got.args[i+1:]
		for _, a := range argv[1:] {
			if len(rest) > 0 && a == rest[0] {
				rest = rest[1:]
			}
		}
		if len(rest) > 0 {
			t.Fatalf("%q became %q", argv, got.args)
		}
		for _, a := range got.args[1:i] {
			if strings.HasPrefix(a, "-") != strings.HasPrefix(a, "--") {
				t.Fatalf("%q became %q", argv, got.args)
			}
		}
	})
}

func TestComplete(t *testing.T) {
	for in, want := range map[string]string{
		"":                 "run share add get cat ls cid transfers pause resume cancel limit goal rm pin gc verify lookup providers id status peers swarm ring demo completion help",
		"s":                "share status swarm",
		"pin ":             "ls add rm",
		"pin a":            "add",
		"share ":           ":files",
		"share x --":       "--repo --json --quiet --verbose --help --version --hidden --overlay --recursive --listen --bootstrap --no-mdns --network --limit-up --limit-down",
		"get x --force --": "--repo --json --quiet --verbose --help --version --output --limit --in-order --queue --wait --overlay --recursive --listen --bootstrap --no-mdns --network --limit-up --limit-down",
		"get -o ":          ":files",
		"get x --lim":      "--limit --limit-up --limit-down",
		"run --overlay ":   "chord kademlia",
		"run --overlay c":  "chord",
		"--repo ":          ":files",
		"completion ":      "bash fish zsh",
		"completion f":     "fish",
		"nope ":            "",
		"share -- ":        ":files",
	} {
		words := strings.Split(in, " ")
		if got := strings.Join(candidates(newApp(&program{}), words), " "); got != want {
			t.Errorf("peer %s: %q, want %q", in, got, want)
		}
	}
}
