package acquirertest

import (
	"testing"

	"encaisse/acquirer"
	"encaisse/base/card"
)

// TestLeaksAreFound plants the card in what a connector might return: a search
// that finds nothing there would prove nothing.
func TestLeaksAreFound(t *testing.T) {
	d := card.Data{PAN: "4111111111111111", Expiry: "3012", Track2: "4111111111111111D30122010000012345", PINBlock: "041274EDCBA9876F"}
	for name, planted := range map[string]any{
		"detail":        acquirer.Outcome{Detail: "declined 4111111111111111"},
		"track":         acquirer.Outcome{Detail: d.Track2},
		"end of track":  acquirer.Receipt{Detail: "…30122010000012345"},
		"issuer data":   acquirer.Outcome{Issuer: []byte(d.PAN)},
		"hex":           "34313131313131313131313131313131",
		"base64":        "NDExMTExMTExMTExMTExMQ==",
		"PIN block":     "041274edcba9876f",
		"data itself":   d,
		"number inside": struct{ number string }{d.PAN},
	} {
		if leaked(d, planted) == "" {
			t.Errorf("%s: the card is not found", name)
		}
	}
	for _, fine := range []any{acquirer.Outcome{Result: acquirer.Approved, Approval: "123456", RRN: "000000000001"}, "411111******1111"} {
		if name := leaked(d, fine); name != "" {
			t.Errorf("%s is found in %v", name, fine)
		}
	}
}
