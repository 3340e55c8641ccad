package emulator

import (
	"encaisse/base/money"
	"encaisse/terminal"
)

// Show is what the holder's screen says (T01): a key of the catalogue, whose
// French is the wording of the screens' terminal states.
type Show string

// What the screen says.
const (
	ShowReady      Show = "ready"
	ShowOffline    Show = "offline"
	ShowAsleep     Show = "asleep"
	ShowOff        Show = "off"
	ShowUnpaired   Show = "unpaired"
	ShowInsert     Show = "insert"     // INSERER CARTE
	ShowSwipe      Show = "swipe"      // the chip cannot be read
	ShowUnreadable Show = "unreadable" // once more, please
	ShowChoose     Show = "choose"
	ShowCode       Show = "code"
	ShowWrongCode  Show = "wrong_code"
	ShowWait       Show = "wait"   // PATIENTEZ
	ShowRemove     Show = "remove" // RETIRER CARTE
	ShowSign       Show = "sign"
	ShowBusy       Show = "busy" // the reader's own menu is open
	ShowText       Show = "text" // what a till wants shown

	ShowAccepted    Show = "accepted" // PAIEMENT ACCEPTE
	ShowRefunded    Show = "refunded"
	ShowVoided      Show = "voided"
	ShowRefused     Show = "refused"   // PAIEMENT REFUSE
	ShowAbandoned   Show = "abandoned" // ABANDON
	ShowExpired     Show = "expired"
	ShowTorn        Show = "torn" // CARTE ARRACHEE
	ShowOtherCard   Show = "other_card"
	ShowInvalid     Show = "invalid"
	ShowNotAccepted Show = "not_accepted"
	ShowBlocked     Show = "blocked" // too many wrong codes
	ShowNoLink      Show = "no_link"
	ShowBroken      Show = "broken"
)

// Screen is the holder's screen.
type Screen struct {
	Show    Show          `json:"show"`
	Kind    terminal.Kind `json:"kind,omitempty"`
	Amount  *money.Amount `json:"amount,omitempty"`
	Label   string        `json:"label,omitempty"`   // of the application
	Tap     bool          `json:"tap,omitempty"`     // contactless is possible
	Stars   int           `json:"stars,omitempty"`   // digits of the code that were typed
	Left    int           `json:"left,omitempty"`    // codes that are left
	Choices []string      `json:"choices,omitempty"` // applications to choose from; of a text, its lines
}

// shows is what a failed dialogue tells the holder: never why the issuer refused.
var shows = map[terminal.Cause]Show{
	terminal.CauseCancelled: ShowAbandoned, terminal.CauseAborted: ShowAbandoned, terminal.CauseExpired: ShowExpired,
	terminal.CauseCardRemoved: ShowTorn, terminal.CauseOtherCard: ShowOtherCard, terminal.CauseCardInvalid: ShowInvalid,
	terminal.CauseScheme: ShowNotAccepted, terminal.CauseAffiliation: ShowNotAccepted, terminal.CausePIN: ShowBlocked,
	terminal.CauseLink: ShowNoLink, terminal.CauseHost: ShowNoLink, terminal.CauseDevice: ShowBroken,
}

// lastScreen is what a concluded dialogue leaves on the screen.
func lastScreen(kind terminal.Kind, c terminal.Conclusion) Screen {
	s := Screen{Kind: kind, Amount: &c.Amount}
	switch {
	case !c.Success:
		s.Show = ShowRefused
		if show, ok := shows[c.Cause]; ok {
			s.Show = show
		}
	case kind == terminal.Void:
		s.Show = ShowVoided
	case kind == terminal.Refund:
		s.Show = ShowRefunded
	default:
		s.Show = ShowAccepted
	}
	return s
}
