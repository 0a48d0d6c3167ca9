package sim

import (
	"testing"
	"time"
)

// TestPartition: two halves that did not hear each other for ten minutes are one
// network again within two minutes, and every record is found.
func TestPartition(t *testing.T) {
	r, err := Partition(PartitionConfig{
		Settings: Settings{Overlay: liveKademlia(), Seed: 1}, Nodes: 200, Records: 40,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", r)
	if !r.Healed || r.HealedSeconds > 2*time.Minute.Seconds() {
		t.Errorf("%+v", r)
	}
}
