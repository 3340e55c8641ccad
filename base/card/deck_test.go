package card_test

import (
	"testing"

	"encaisse/base/card"
)

func TestDeckIsOfCardsThatCanBe(t *testing.T) {
	names, numbers := map[string]card.TestCard{}, map[string]bool{}
	for _, c := range card.Deck() {
		if _, err := card.ParsePAN(c.Number); err != nil || numbers[c.Number] {
			t.Errorf("%s: number: %v, or twice", c.Name, err)
		}
		if _, twice := names[c.Name]; twice || c.Name == "" || c.Label == "" {
			t.Errorf("%s: two of the name, or none", c.Name)
		}
		if len(c.Expiry) != 4 || len(c.Service) != 3 || len(c.Schemes) == 0 || len(c.PAR) != 0 && len(c.PAR) != 29 {
			t.Errorf("%s: %+v", c.Name, c)
		}
		if c.Of != "" && (names[c.Of].PAR != c.PAR || c.PAR == "") {
			t.Errorf("%s stands for %s and has another PAR", c.Name, c.Of)
		}
		names[c.Name], numbers[c.Number] = c, true
	}
}

func TestDeckIsACopy(t *testing.T) {
	card.Deck()[0].Schemes[0] = "changed"
	if got := card.Deck()[0].Schemes[0]; got != card.CB {
		t.Errorf("a caller changed the deck: %s", got)
	}
}
