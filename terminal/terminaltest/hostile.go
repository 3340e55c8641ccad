package terminaltest

import (
	"bytes"
	"net/http"
	"strings"

	"github.com/coder/websocket"

	"encaisse/base/card"
	"encaisse/base/id"
	"encaisse/terminal"
)

// PlantedPAN is what a faulty reader shows in clear: a published test number.
const PlantedPAN = "4970100000000055"

// hostile: whatever comes over a link, it is answered with a refusal, the link
// goes on, and so do its neighbours.
func hostile(s *stage) {
	odd := s.Terminal("Inconnu")
	w := s.Join(s.kit.Protocol, odd, "ODD1", "666")
	attempt := id.New[id.Attempt](s.Clock.Now())
	fine := w.Bytes(terminal.Message{Serial: "1", At: s.Clock.Now(), Progress: &terminal.Progress{Attempt: attempt, Stage: terminal.StageWaitingCard}})
	for name, c := range map[string]struct {
		kind websocket.MessageType
		text []byte
	}{
		"nothing":      {websocket.MessageText, []byte("{}")},
		"no message":   {websocket.MessageText, []byte("GET / HTTP/1.1\r\n\r\n")},
		"cut short":    {websocket.MessageText, fine[:len(fine)/2]},
		"something on": {websocket.MessageText, append(bytes.Clone(fine), fine...)},
		"not UTF-8":    {websocket.MessageText, bytes.Replace(fine, []byte(attempt[:8]), []byte("\xff\xfe"), 1)},
		"binary":       {websocket.MessageBinary, fine},
		"oversized":    {websocket.MessageText, append(bytes.Clone(fine), bytes.Repeat([]byte(" "), terminal.MaxMessage)...)},
		"deep":         {websocket.MessageText, []byte(strings.Repeat("[", 2000) + strings.Repeat("]", 2000))},
	} {
		w.Raw(c.kind, c.text)
		w.Heard("refusal of "+name, func(m terminal.Message) bool {
			return m.Refused != nil && m.Refused.Condition == terminal.ConditionFormat
		})
	}
	// Words that are not a reader's to say, and answers nobody waits for.
	page := terminal.Message{Service: "1", Print: &terminal.Page{Lines: []string{"x"}}}
	w.Say(page)
	w.Refused("terminal.direction")
	w.Say(terminal.Message{Service: "1", Health: &terminal.Health{Battery: 1}})
	w.Refused("terminal.unexpected")
	// In another reader's name.
	stolen := page
	stolen.Reader, stolen.Print = "EMU1-1", nil
	stolen.Concluded = &terminal.Conclusion{Attempt: attempt, Success: true, Amount: Eur(1), At: s.Clock.Now(), Transaction: "000001"}
	w.Raw(websocket.MessageText, w.Bytes(stolen))
	w.Refused("terminal.other_reader")
	// A card in clear.
	shown := card.Presented{Masked: PlantedPAN, Scheme: card.CB, Entry: card.Chip}
	w.Say(terminal.Message{Authorise: &terminal.Request{
		Attempt: attempt, Exchange: "1", Kind: terminal.Payment, Amount: Eur(1), At: s.Clock.Now(), Card: shown,
	}})
	w.Heard("refusal of a card in clear", func(m terminal.Message) bool { return m.Refused != nil && strings.Contains(m.Refused.Code, "clear") })

	if len(s.Desk.Words(attempt))+len(s.Desk.Asked(attempt)) > 0 {
		s.t.Error("something of it reached payment")
	}
	if strings.Contains(s.Log.String(), PlantedPAN) {
		s.t.Error("the log shows a card")
	}
	if !strings.Contains(s.Log.String(), "terminal.other_reader") {
		s.t.Error("refusals are not logged")
	}
	// The link still carries what is right, and the neighbour pays.
	w.Raw(websocket.MessageText, fine)
	s.Desk.Until(s.t, "the link goes on", func() bool { return len(s.Desk.Steps(attempt)) == 1 })
	if c := s.Pay(s.at, 12_50); !c.Success {
		s.t.Errorf("the neighbour: %+v", c)
	}
	if s.Presence(odd).State != terminal.Online || w.Ended() {
		s.t.Error("the link was ended")
	}
	// Longer than anybody could mean: the framing is at fault, and this link alone ends.
	w.Raw(websocket.MessageText, bytes.Repeat([]byte(" "), 3<<20))
	w.Over()
	if c := s.Pay(s.at, 8_00); !c.Success {
		s.t.Errorf("the neighbour, after that: %+v", c)
	}
}

// replayed: a recorded message says nothing a second time, and an older one
// nothing after a newer.
func replayed(s *stage) {
	odd := s.Terminal("Inconnu")
	w := s.Join(s.kit.Protocol, odd, "ODD1", "666")
	d := s.Dialogue(odd, 12_50)
	s.Send(d)
	request := w.Heard("the request", func(m terminal.Message) bool { return m.Perform != nil })
	now := s.Clock.Now()
	first := w.Bytes(terminal.Message{Serial: "1", At: now, Progress: &terminal.Progress{Attempt: d.Attempt, Stage: terminal.StageCardIn}})
	w.Raw(websocket.MessageText, first)
	w.Raw(websocket.MessageText, first)
	w.Refused("terminal.replayed")
	w.Say(terminal.Message{Serial: "2", At: now.Add(-1e9), Progress: &terminal.Progress{Attempt: d.Attempt, Stage: terminal.StageWaitingCard}})
	w.Refused("terminal.order")
	if steps := s.Desk.Steps(d.Attempt); len(steps) != 1 || steps[0] != terminal.StageCardIn {
		s.t.Errorf("%v", steps)
	}
	// The same final word is taken as often as it is said, and acknowledged each
	// time: the reader may not have heard.
	word := w.Bytes(terminal.Message{Service: request.Service, Kind: terminal.Payment, Concluded: &terminal.Conclusion{
		Attempt: d.Attempt, Cause: terminal.CauseCancelled, At: now, Transaction: "000001",
	}})
	for range 3 {
		w.Raw(websocket.MessageText, word)
		taken := w.Heard("acknowledgement", func(m terminal.Message) bool { return m.Taken != nil })
		if taken.Taken.Attempt != d.Attempt || taken.Service != request.Service {
			s.t.Errorf("%+v", taken)
		}
	}
	if n := len(s.Desk.Words(d.Attempt)); n != 3 {
		s.t.Errorf("%d words", n)
	}
	// The answer of a question that was given up is a final word all the same.
	w.Say(terminal.Message{Service: "42", Told: &terminal.Told{
		Of: terminal.Reference{Service: request.Service, Kind: terminal.Payment}, Status: terminal.StatusConcluded,
		Conclusion: &terminal.Conclusion{Attempt: d.Attempt, Cause: terminal.CauseCancelled, At: now, Transaction: "000001"},
	}})
	w.Heard("acknowledgement of it", func(m terminal.Message) bool { return m.Taken != nil && m.Taken.Attempt == d.Attempt })
	if w.Ended() {
		s.t.Error("the link was ended")
	}
}

// another: a credential is good for the device it was given to, for its
// terminal, and until that has another device.
func another(s *stage) {
	odd := s.Terminal("Inconnu")
	given, _ := s.Pair(s.Code(odd), "ODD1", "666")
	for name, credential := range map[string]string{"none": "", "unknown": "dt_" + strings.Repeat("A", 52), "no credential": "st_x", "cut": given.Credential[:20]} {
		if w, status := s.Dial(s.kit.Protocol, credential, "ODD1-666"); w != nil || status != http.StatusUnauthorized {
			s.t.Errorf("%s: %d", name, status)
		}
	}
	// Another device with it: who it says it is does not fit.
	w, _ := s.Dial(s.kit.Protocol, given.Credential, given.Reader)
	w.Greet("ODD1", "667", terminal.Health{})
	if err := w.Over(); websocket.CloseStatus(err) != websocket.StatusPolicyViolation || !strings.Contains(err.Error(), "terminal.other_device") {
		s.t.Error(err)
	}
	// In another reader's name it is not even greeted.
	w, _ = s.Dial(s.kit.Protocol, given.Credential, "EMU1-1")
	w.Greet("ODD1", "666", terminal.Health{})
	w.Refused("terminal.other_reader")
	if s.Presence(odd).State != terminal.Offline {
		s.t.Error("it counts as online")
	}
	// Replaced: the former device is cut off, and may not come back.
	w = s.Again(s.kit.Protocol, odd, given, "ODD1", "666")
	next, _ := s.Pair(s.Code(odd), "ODD1", "777")
	if err := w.Over(); !strings.Contains(err.Error(), "terminal.credential") {
		s.t.Error(err)
	}
	if w, status := s.Dial(s.kit.Protocol, given.Credential, given.Reader); w != nil || status != http.StatusUnauthorized {
		s.t.Errorf("the former device: %d", status)
	}
	s.Again(s.kit.Protocol, odd, next, "ODD1", "777")
	s.Await(odd, terminal.Online)
	for _, secret := range []string{given.Credential, next.Credential} {
		if strings.Contains(s.Log.String(), secret) {
			s.t.Error("the log shows a credential")
		}
	}
	if c := s.Pay(s.at, 12_50); !c.Success {
		s.t.Errorf("the neighbour: %+v", c)
	}
}
