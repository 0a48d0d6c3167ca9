package node

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"ringswap/overlay/overlaytest"
	"ringswap/transfer/swap"
	"ringswap/transfer/swap/fair"
)

func TestLedgerSurvivesTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sub", "n.json")
	saved := time.Unix(1_800_000_000, 0)
	if err := loadLedger(swap.NewLedger(0), path, "n", saved); err != nil {
		t.Fatalf("no file: %v", err)
	}
	l := swap.NewLedger(0)
	if err := saveLedger(l, path, "n", saved); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("nothing is written down as something: %v", err)
	}
	for i := range fair.DefaultAccounts {
		l.Restore(overlaytest.PeerID(i), fair.Account{Sent: int64(i) << 20, Received: 8 << 20})
	}
	l.Restore(overlaytest.PeerID(9), fair.Account{Received: -4 << 20})
	l.Restore(overlaytest.PeerID(10), fair.Account{Received: 100})
	if err := saveLedger(l, path, "n", saved); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(path + "?*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	for after, part := range map[time.Duration]int64{0: 1, -time.Hour: 1, creditHalves: 2, 3 * creditHalves: 8} {
		got := swap.NewLedger(0)
		if err := loadLedger(got, path, "n", saved.Add(after)); err != nil {
			t.Fatal(err)
		}
		for i := range fair.DefaultAccounts {
			want := fair.Account{Sent: int64(i) << 20 / part, Received: 8 << 20 / part}
			switch i {
			case 9:
				want = fair.Account{Received: -4 << 20 / part}
			case 10:
				want = fair.Account{}
			}
			if a := got.Account(overlaytest.PeerID(i)); a != want {
				t.Fatalf("after %v, peer %d: %+v, want %+v", after, i, a, want)
			}
		}
	}
	other := swap.NewLedger(0)
	if err := loadLedger(other, path, "N", saved); err != nil || other.Account(overlaytest.PeerID(1)) != (fair.Account{}) {
		t.Errorf("another network's file: %+v, %v", other.Account(overlaytest.PeerID(1)), err)
	}
}

// Whichever byte is wrong or missing, the accounts are what they were or none.
func TestDamagedLedgerIsLeftOut(t *testing.T) {
	path := filepath.Join(t.TempDir(), "n.json")
	now := time.Unix(1_800_000_000, 0)
	l := swap.NewLedger(0)
	for i := range 3 {
		l.Restore(overlaytest.PeerID(i), fair.Account{Sent: 5 << 20, Received: int64(i) << 20})
	}
	if err := saveLedger(l, path, "n", now); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	check := func(what string, text []byte) {
		t.Helper()
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		got := swap.NewLedger(0)
		err := loadLedger(got, path, "n", now)
		left := 0
		for p, a := range got.Accounts() {
			if left++; a != l.Account(p) && bytes.Contains(text, []byte(`"Saved":"2027-01-15`)) {
				t.Fatalf("%s: %s has %+v", what, p, a)
			}
		}
		if err != nil && left > 0 {
			t.Fatalf("%s: %d accounts of a damaged file", what, left)
		}
	}
	for i := range whole {
		check(fmt.Sprint("cut off at byte ", i), whole[:i])
		wrong := bytes.Clone(whole)
		wrong[i] ^= 1
		check(fmt.Sprint("wrong byte ", i), wrong)
	}
	if err := os.WriteFile(path, bytes.Repeat([]byte{' '}, maxLedgerFile+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := loadLedger(swap.NewLedger(0), path, "n", now); err == nil {
		t.Error("a file of any size is read")
	}
}
