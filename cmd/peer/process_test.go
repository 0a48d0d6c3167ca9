package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestMain lets the test binary be the program itself, so that tests can run it
// as a process of its own.
func TestMain(m *testing.M) {
	if os.Getenv("RINGSWAP_TEST_MAIN") != "" {
		main()
	}
	os.Exit(m.Run())
}

// process is the program as a process, in a repo of its own.
func process(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Env = append(os.Environ(), "RINGSWAP_TEST_MAIN=1", "PEER_REPO="+t.TempDir())
	return cmd
}

// TestProcess checks what a shell sees: the exit code, and what goes where.
func TestProcess(t *testing.T) {
	for args, want := range map[string]struct {
		code           int
		stdout, stderr string
	}{
		"--version":           {0, "peer version", ""},
		"--help":              {0, "Exit codes", ""},
		"get --help":          {0, "peer get - ", ""},
		"completion bash":     {0, "complete -F _peer peer", ""},
		"gte":                 {exitUsage, "", "try: peer get"},
		"get":                 {exitUsage, "", "needs CID|LINK"},
		"get --nope x":        {exitUsage, "", "no flag --nope"},
		"get x --limit 1Mbit": {exitUsage, "", "unknown unit"},
		"get x --jsno":        {exitUsage, "", "try: peer get --json"},
		"status x --json":     {exitUsage, `{"error":{"kind":"usage","what":"peer status takes no arguments`, "takes no arguments"},
		"__complete pin a":    {0, "add\n", ""},
	} {
		cmd := process(t, strings.Fields(args)...)
		var stdout, stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		code := 0
		if err := cmd.Run(); err != nil {
			var exit *exec.ExitError
			if !errors.As(err, &exit) {
				t.Fatal(err)
			}
			code = exit.ExitCode()
		}
		if code != want.code || !strings.Contains(stdout.String(), want.stdout) || !strings.Contains(stderr.String(), want.stderr) {
			t.Errorf("peer %s: exit code %d, stdout %q, stderr %q", args, code, stdout.String(), stderr.String())
		}
		if (want.stdout == "") != (stdout.Len() == 0) || (want.stderr == "") != (stderr.Len() == 0) {
			t.Errorf("peer %s: stdout %q, stderr %q", args, stdout.String(), stderr.String())
		}
	}
}
