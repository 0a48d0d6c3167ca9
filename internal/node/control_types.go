package node

import "ringswap/internal/steer"

// Settings are what a user has set for the node as a whole; they survive restarts.
type Settings = steer.Settings

// SettingsChange is what of it is to be changed; nil leaves a value as it is.
type SettingsChange = steer.Change

// Goal says when enough of something has been given.
type Goal = steer.Goal

// Action is what is to be done with transfers and shares.
type Action string

// The actions of a [ControlRequest].
const (
	ActionSet    Action = ""       // only change what is set for it
	ActionPause  Action = "pause"  // neither fetch nor serve it
	ActionResume Action = "resume" // go on with either
	ActionCancel Action = "cancel" // take it out of the queue; what is there stays
)

// ControlRequest says what is to be done with one CID or with all.
type ControlRequest struct {
	Ref    string         `json:"ref,omitempty"` // CID or link; empty: all, for pause and resume
	Action Action         `json:"action,omitempty"`
	Change SettingsChange `json:"change"` // for one CID; AtOnce is not for one
}

// Transfer is something that this node fetches, or is to fetch, or gives.
type Transfer struct {
	Cid  string `json:"cid"`
	Name string `json:"name"`
	Path string `json:"path"`
	// State is fetching, queued, paused, waiting (nobody had it, and it is tried
	// again) or failed; of what is here whole: seeding, paused, or resting when its
	// seeding goal is reached.
	State   string  `json:"state"`
	Done    int64   `json:"done"` // bytes
	Size    int64   `json:"size"` // bytes, 0 while unknown
	Peers   int     `json:"peers"`
	RateIn  float64 `json:"rate_in"` // bytes a second, over the last few seconds
	RateOut float64 `json:"rate_out"`
	// Sent and Seconds are what was given of it, and for how long, in all.
	Sent      int64   `json:"sent"`
	Ratio     float64 `json:"ratio"` // Sent over Size
	Seconds   float64 `json:"seconds"`
	LimitUp   int64   `json:"limit_up"`
	LimitDown int64   `json:"limit_down"`
	Goal      Goal    `json:"goal"`
	// Queued says that it needs no command that waits for it.
	Queued bool   `json:"queued"`
	Why    string `json:"why,omitempty"` // of waiting and failed
	Try    string `json:"try,omitempty"`
	// Again is in how many seconds it is tried again.
	Again float64 `json:"again_seconds,omitempty"`
}
