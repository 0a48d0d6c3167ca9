package lab

import (
	"errors"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestLab has two machines on shaped links reach each other and nothing else,
// and leaves nothing behind.
func TestLab(t *testing.T) {
	ctx := t.Context()
	l, err := New(ctx)
	if errors.Is(err, ErrUnavailable) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		out, err := exec.Command("ip", "netns", "list").Output()
		if err != nil || strings.Contains(string(out), l.tag) {
			t.Errorf("left behind: %s, %v", out, err)
		}
	})
	var machines []*Machine
	for range 2 {
		m, err := l.Machine(ctx, Link{Up: 8e6, Down: 80e6})
		if err != nil {
			t.Fatal(err)
		}
		machines = append(machines, m)
	}
	a, b := machines[0], machines[1]
	before, err := b.Received(ctx)
	if err != nil {
		t.Fatal(err)
	}
	// A datagram makes the machines ask for each other's hardware address.
	if out, err := a.Command(ctx, "bash", "-c", "echo hello > /dev/udp/"+b.IP()+"/9").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for limit := time.Now().Add(time.Minute); ; {
		after, err := b.Received(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if after > before {
			break
		}
		if time.Now().After(limit) {
			t.Fatal("nothing arrives")
		}
	}
	for _, m := range machines {
		out, err := m.Command(ctx, "tc", "qdisc", "show", "dev", "eth0").Output()
		if err != nil || !strings.Contains(string(out), "tbf") || !strings.Contains(string(out), "rate 8Mbit") {
			t.Errorf("the link of %s: %s, %v", m.IP(), out, err)
		}
	}
}
