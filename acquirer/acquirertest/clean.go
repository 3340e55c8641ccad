package acquirertest

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"encaisse/base/card"
)

// traces are the forms in which a card's data may be found where it must not be.
func traces(d card.Data) map[string]string {
	found := map[string]string{
		"number":           d.PAN,
		"number in hex":    hex.EncodeToString([]byte(d.PAN)),
		"number in base64": strings.TrimRight(base64.StdEncoding.EncodeToString([]byte(d.PAN)), "="),
		"PIN block":        d.PINBlock,
	}
	if d.Track2 != "" {
		_, rest, _ := strings.Cut(d.Track2, "D")
		found["track 2"] = d.Track2
		found["end of track 2"] = rest
	}
	return found
}

// leaked names the card data that a value shows, however it is printed.
func leaked(d card.Data, value any) string {
	text := strings.ToLower(fmt.Sprintf("%+v %#v %q", value, value, value))
	for name, trace := range traces(d) {
		if trace != "" && strings.Contains(text, strings.ToLower(trace)) {
			return name
		}
	}
	return ""
}

// clean fails the test where a value shows the card.
func clean(t testing.TB, d card.Data, value any) {
	t.Helper()
	if name := leaked(d, value); name != "" {
		t.Errorf("the %s of the card is in what the connector returned", name)
	}
}
