package main

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ringswap/internal/node"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestRendering holds what every command prints, for people and for programs,
// against the files in testdata/golden.
func TestRendering(t *testing.T) {
	const hello = "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"
	damaged := []node.Verified{
		{Cid: "bafybad", Path: "/home/me/a", Offset: 1 << 20, Why: "the file has changed"},
		{Bytes: 10 << 20, Bad: 1},
	}
	for name, tc := range map[string]struct {
		args string
		node *fakeNode
		code int
	}{
		"id":             {args: "id"},
		"status":         {args: "status"},
		"peers":          {args: "peers"},
		"peers-none":     {args: "peers", node: &fakeNode{empty: true}},
		"ring":           {args: "ring --all"},
		"ring-none":      {args: "ring", node: &fakeNode{empty: true}},
		"ring-chord":     {args: "ring", node: &fakeNode{overlay: "chord"}},
		"ring-alone":     {args: "ring", node: &fakeNode{overlay: "chord", empty: true}},
		"help-ring":      {args: "help ring"},
		"swarm":          {args: "swarm bafy"},
		"swarm-both":     {args: "swarm bafy --once --watch", code: exitUsage},
		"help-swarm":     {args: "help swarm"},
		"swarm-none":     {args: "swarm bafy", node: &fakeNode{empty: true}},
		"share":          {args: "share a b"},
		"add":            {args: "add --replicas 2 a"},
		"get":            {args: "get bafy"},
		"cat":            {args: "cat bafy --offset 4 --length 5"},
		"ls":             {args: "ls"},
		"ls-none":        {args: "ls", node: &fakeNode{empty: true}},
		"ls-cid":         {args: "ls bafy"},
		"cid":            {args: "cid a b"},
		"rm":             {args: "rm bafyone bafytwo"},
		"pin-ls":         {args: "pin ls"},
		"pin-ls-none":    {args: "pin ls", node: &fakeNode{empty: true}},
		"pin-add":        {args: "pin add bafyone bafytwo"},
		"pin-rm":         {args: "pin rm bafyone"},
		"gc":             {args: "gc"},
		"verify":         {args: "verify", node: &fakeNode{verified: []node.Verified{{Bytes: 10 << 20}}}},
		"verify-damage":  {args: "verify", node: &fakeNode{verified: damaged}, code: exitDamaged},
		"lookup":         {args: "lookup key"},
		"lookup-trace":   {args: "lookup key --trace"},
		"providers":      {args: "providers bafy"},
		"providers-none": {args: "providers bafy", node: &fakeNode{empty: true}, code: exitNotFound},
		"help":           {args: "help"},
		"help-get":       {args: "get --help"},
		"help-pin":       {args: "help pin"},
		"usage":          {args: "get", code: exitUsage},
		"transfers":      {args: "transfers"},
		"transfers-none": {args: "queue", node: &fakeNode{empty: true}},
		"get-several":    {args: "get " + hello + " " + hello + "/photos"},
		"get-queue":      {args: "get bafy --queue"},
		"pause":          {args: "pause bafyone"},
		"pause-none":     {args: "pause --all", node: &fakeNode{empty: true}},
		"pause-what":     {args: "pause", code: exitUsage},
		"resume":         {args: "resume --all"},
		"cancel":         {args: "cancel bafyone"},
		"limit":          {args: "limit"},
		"limit-set":      {args: "limit --up none --down 2MB --at-once 3"},
		"limit-cid":      {args: "limit bafyone --down 500KiB"},
		"limit-cid-bad":  {args: "limit bafyone --up none", code: exitUsage},
		"goal-set":       {args: "goal --ratio 1.5 --time 7d"},
		"goal-bad":       {args: "goal --time 7x", code: exitUsage},
		"help-limit":     {args: "help limit"},
		"help-goal":      {args: "help goal"},
	} {
		for _, json := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				f := tc.node
				if f == nil {
					f = &fakeNode{}
				}
				b := newBench(t, f)
				b.daemon(f, true)
				args, file := strings.Fields(tc.args), name+".txt"
				if json {
					if strings.HasPrefix(name, "help") {
						t.Skip("help is for people")
					}
					args, file = append(args, "--json"), name+".json"
				}
				if code := b.peer(args...); code != tc.code {
					t.Errorf("exit code %d, want %d", code, tc.code)
				}
				golden(t, file, b.out.String()+"--- stderr\n"+b.errOut.String())
			})
		}
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	got = strings.ReplaceAll(got, defaultRepo(), "/home/me/.local/share/ringswap")
	path := filepath.Join("testdata", "golden", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (go test ./cmd/peer -update rewrites it):\n--- got\n%s\n--- want\n%s", name, got, want)
	}
}
