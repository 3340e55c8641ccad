package emulator

import (
	"slices"
	"time"

	"encaisse/base/card"
)

// Gesture is how a card is presented.
type Gesture string

// Gestures.
const (
	Insert Gesture = "insert"
	Tap    Gesture = "tap"
	Swipe  Gesture = "swipe"
)

// Key is a key of the reader: "0" to "9", or one of these.
type Key string

// Keys that are no digits.
const (
	KeyOK          Key = "ok"          // green
	KeyClear       Key = "clear"       // yellow
	KeyCancel      Key = "cancel"      // red
	KeyApplication Key = "application" // the holder wants the other application of the card
)

// digit is the key's digit, or 0 (which no key sends) where it has none.
func (k Key) digit() byte {
	if len(k) == 1 && k[0] >= '0' && k[0] <= '9' {
		return k[0]
	}
	return 0
}

// known tells whether the reader has such a key.
func (k Key) known() bool {
	return k.digit() != 0 || k == KeyOK || k == KeyClear || k == KeyCancel || k == KeyApplication
}

// Point is a place in a dialogue where a person may act and where things break.
type Point string

// Points, in their order.
const (
	PointAsked    Point = "asked"          // the request came; nothing is shown yet
	PointCard     Point = "card"           // a card was read
	PointCode     Point = "code"           // a code was entered
	PointBefore   Point = "before_request" // authorisation is about to be asked
	PointSent     Point = "after_request"  // authorisation was asked
	PointAnswered Point = "answered"       // the answer is here, the card does not know it yet
	PointDecided  Point = "decided"        // the end is remembered, not told
	PointTold     Point = "told"           // the end is told, not acknowledged
	PointEnded    Point = "acknowledged"   // it is acknowledged
)

// Points lists them.
func Points() []Point {
	return []Point{PointAsked, PointCard, PointCode, PointBefore, PointSent, PointAnswered, PointDecided, PointTold, PointEnded}
}

// Hand acts in a person's stead, in one dialogue: it presents a card, types, and
// takes the card back when it is told to.
type Hand struct {
	Card        string      // name in the rack; empty: nobody comes
	Gesture     Gesture     // empty: insert
	Codes       []string    // typed one after another; empty: the right one, and after the last wrong one too
	Application card.Scheme // chosen by the holder; empty: as the reader proposes
	Pull        Point       // the card is pulled out there
	Cancel      bool        // the red key, at the first prompt
	Unsigned    bool        // the merchant refuses the signature
	Pace        time.Duration
	AnswerAt    time.Duration // the answer is not taken before that much of the payment's time has gone
	Overrun     bool          // the reader's own clock fails: it says nothing of the end of its time
}

func (h *Hand) overruns() bool { return h != nil && h.Overrun }

func (h *Hand) chooses() bool { return h != nil && h.Application != "" }

func (h *Hand) pulls(p Point) bool { return h != nil && h.Pull == p }

func (h *Hand) answersAt() time.Duration {
	if h == nil {
		return 0
	}
	return h.AnswerAt
}

// act is one thing a hand does.
type act struct {
	card    string
	gesture Gesture
	remove  bool
	key     Key
}

// acts is what the hand does when the screen says s. typed counts the codes
// typed before.
func (h *Hand) acts(s Screen, p *plastic, typed int) []act {
	switch s.Show {
	case ShowInsert, ShowSwipe, ShowUnreadable:
		return h.presents(s, p)
	case ShowChoose:
		i := slices.IndexFunc(applications[:], func(a application) bool { return a.Scheme == h.Application })
		if i >= 0 {
			if n := slices.Index(s.Choices, applications[i].Label); n >= 0 {
				return []act{{key: Key("123456789"[n : n+1])}}
			}
		}
		return []act{{key: KeyOK}}
	case ShowCode, ShowWrongCode:
		return h.types(p, typed)
	case ShowSign:
		if h.Unsigned {
			return []act{{key: KeyCancel}}
		}
		return []act{{key: KeyOK}}
	case ShowRemove:
		return []act{{remove: true}}
	}
	return nil
}

func (h *Hand) presents(s Screen, p *plastic) []act {
	if h.Cancel {
		return []act{{key: KeyCancel}}
	}
	if p == nil {
		return nil
	}
	gesture := h.Gesture
	switch {
	case s.Show == ShowSwipe:
		gesture = Swipe
	case gesture == "" || s.Show == ShowUnreadable:
		gesture = Insert
	case gesture == Tap && !s.Tap && !p.device, gesture == Swipe && p.hasChip():
		gesture = Insert // as the screen says
	}
	return []act{{remove: true}, {card: h.Card, gesture: gesture}}
}

func (h *Hand) types(p *plastic, typed int) []act {
	if p == nil {
		return nil
	}
	code := p.PIN
	if typed < len(h.Codes) && h.Codes[typed] != "" {
		code = h.Codes[typed]
	}
	var out []act
	for i := range len(code) {
		out = append(out, act{key: Key(code[i : i+1])})
	}
	return append(out, act{key: KeyOK})
}
