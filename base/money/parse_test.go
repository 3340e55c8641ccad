package money

import (
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"encaisse/base/problem"
)

func TestParseDecimal(t *testing.T) {
	for _, c := range []struct {
		text string
		want int64
		code string
	}{
		{text: "0.90", want: 90},
		{text: "0,90", want: 90},
		{text: "-12.5", want: -1250},
		{text: "12", want: 1200},
		{text: "10.50", want: 1050}, // DRV-05: both separators are decimal ones
		{text: "10,50", want: 1050},
		{text: "007", want: 700},
		{text: "-0.00", want: 0},
		{text: "92233720368547758.07", want: 1<<63 - 1},
		{text: "-92233720368547758.08", want: -1 << 63},
		{text: "92233720368547758.08", code: "money.overflow"},
		{text: "99999999999999999999999", code: "money.overflow"},
		{text: "0.905", code: "money.fraction"},
		{text: "0.900", code: "money.fraction"},
		{text: "", code: "money.malformed"},
		{text: "-", code: "money.malformed"},
		{text: "+1", code: "money.malformed"},
		{text: ".5", code: "money.malformed"},
		{text: "5.", code: "money.malformed"},
		{text: "1 234,50", code: "money.malformed"},
		{text: "1,234.50", code: "money.malformed"},
		{text: "1e3", code: "money.malformed"},
		{text: "12€", code: "money.malformed"},
		{text: "--1", code: "money.malformed"},
		{text: "１２", code: "money.malformed"},
		{text: strings.Repeat("0", 41), code: "money.malformed"},
	} {
		got, err := ParseDecimal(c.text, EUR)
		if c.code != "" {
			if !problem.Is(err, c.code) {
				t.Errorf("%q: %v, %v, want %s", c.text, got, err, c.code)
			}
			continue
		}
		if err != nil || got != (Amount{c.want, EUR}) {
			t.Errorf("%q: %v, %v, want %d", c.text, got, err, c.want)
		}
	}
	if _, err := ParseDecimal("1", "ABC"); !problem.Is(err, "money.unknown_currency") {
		t.Errorf("unknown currency: %v", err)
	}
	if got, err := ParseDecimal("1500", XPF); err != nil || got.Minor != 1500 {
		t.Errorf("XPF has no decimals: %v, %v", got, err)
	}
	if _, err := ParseDecimal("15.0", XPF); !problem.Is(err, "money.fraction") {
		t.Errorf("XPF has no decimals: %v", err)
	}
}

func TestDecimalRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := Amount{anyInt64().Draw(t, "minor"), rapid.SampledFrom([]Currency{EUR, XPF, "TND"}).Draw(t, "currency")}
		if back, err := ParseDecimal(a.Decimal(), a.Currency); err != nil || back != a {
			t.Fatalf("%+v → %q → %+v, %v", a, a.Decimal(), back, err)
		}
		shown := strings.NewReplacer(groupFrench, "", beforeSymbol+a.Currency.symbol(false), "").Replace(a.Format("fr"))
		if back, err := ParseDecimal(shown, a.Currency); err != nil || back != a {
			t.Fatalf("%+v → %q → %+v, %v", a, a.Format("fr"), back, err)
		}
		q := Quantity(a.Minor)
		if back, err := ParseQuantity(q.String()); err != nil || back != q {
			t.Fatalf("%d → %q → %d, %v", q, q, back, err)
		}
		r := Rate(rapid.Int64Range(0, int64(MaxRate)).Draw(t, "rate"))
		if back, err := ParseRate(r.String()); err != nil || back != r {
			t.Fatalf("%d → %q → %d, %v", r, r, back, err)
		}
	})
}

func TestQuantityText(t *testing.T) {
	for text, want := range map[string]string{
		"1.250": "1.25", "1,25": "1.25", "3": "3", "3.000": "3", "-0,5": "-0.5", "0.001": "0.001", "0": "0", "1000": "1000",
	} {
		if q, err := ParseQuantity(text); err != nil || q.String() != want {
			t.Errorf("%q: %s, %v, want %s", text, q, err, want)
		}
	}
	for _, bad := range []string{"", "1.2345", "1.0000", "a", "1/2", "9999999999999999999"} {
		if _, err := ParseQuantity(bad); !problem.Is(err, "money.quantity") {
			t.Errorf("%q: %v", bad, err)
		}
	}
	var q Quantity
	if err := json.Unmarshal([]byte(`"1,250"`), &q); err != nil || q != 1250 {
		t.Errorf("JSON string: %d, %v", q, err)
	}
	if out, err := json.Marshal(q); err != nil || string(out) != `"1.25"` {
		t.Errorf("JSON: %s, %v", out, err)
	}
	for _, bad := range []string{`1.25`, `1`, `null`, `true`, `"1\u0030"`, `{}`} {
		if err := json.Unmarshal([]byte(bad), &q); !problem.Is(err, "money.quantity") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestRateText(t *testing.T) {
	for text, want := range map[string]Rate{"5.5": 550, "5,50": 550, "20": 2000, "2.1": 210, "0": 0, "100": 10_000, "1.05": 105} {
		if r, err := ParseRate(text); err != nil || r != want {
			t.Errorf("%q: %d, %v, want %d", text, r, err, want)
		}
	}
	for _, bad := range []string{"", "-1", "100.01", "5.555", "20 %", "nan"} {
		if _, err := ParseRate(bad); !problem.Is(err, "money.rate") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestAmountJSON(t *testing.T) {
	for text, want := range map[string]Amount{
		`{"amount":1250,"currency":"EUR"}`:                     {1250, EUR},
		" {\n \"currency\" : \"XPF\" ,\t\"amount\" : -5 }\r\n": {-5, XPF},
		`{"amount":-9223372036854775808,"currency":"EUR"}`:     {-1 << 63, EUR},
		`{"amount":0,"currency":"CHF"}`:                        {0, "CHF"},
	} {
		var a Amount
		if err := json.Unmarshal([]byte(text), &a); err != nil || a != want {
			t.Errorf("%s: %+v, %v", text, a, err)
		}
	}
	for text, code := range map[string]string{
		`{"amount":12.5,"currency":"EUR"}`:                 "money.fraction",
		`{"amount":12.0,"currency":"EUR"}`:                 "money.fraction",
		`{"amount":1e3,"currency":"EUR"}`:                  "money.fraction",
		`{"amount":1E3,"currency":"EUR"}`:                  "money.fraction",
		`{"amount":9223372036854775808,"currency":"EUR"}`:  "money.overflow",
		`{"amount":-9223372036854775809,"currency":"EUR"}`: "money.overflow",
		`{"amount":1,"currency":"eur"}`:                    "money.unknown_currency",
		`{"amount":1,"currency":"EUR","note":"x"}`:         "money.unknown_field",
		`{"Amount":1,"currency":"EUR"}`:                    "money.unknown_field",
		`{"amount":1,"amount":2,"currency":"EUR"}`:         "money.malformed",
		`{"amount":"1","currency":"EUR"}`:                  "money.malformed",
		`{"amount":1}`:                                     "money.malformed",
		`{"currency":"EUR"}`:                               "money.malformed",
		`{"amount":null,"currency":"EUR"}`:                 "money.malformed",
		`{}`:                                               "money.malformed",
		`1250`:                                             "money.malformed",
		`null`:                                             "money.malformed",
		`[]`:                                               "money.malformed",
	} {
		a := Amount{7, "SEK"}
		if err := json.Unmarshal([]byte(text), &a); !problem.Is(err, code) {
			t.Errorf("%s: %v, want %s", text, err, code)
		}
		if a != (Amount{7, "SEK"}) {
			t.Errorf("%s: refused, yet stored %+v", text, a)
		}
	}
	if out, err := json.Marshal(Amount{1250, EUR}); err != nil || string(out) != `{"amount":1250,"currency":"EUR"}` {
		t.Errorf("%s, %v", out, err)
	}
}

func FuzzParseDecimal(f *testing.F) {
	for _, s := range []string{"0.90", "0,90", "-12.5", "1e3", "92233720368547758.07", "", "-"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := ParseDecimal(s, EUR)
		if err != nil {
			if problem.As(err) == nil || a != (Amount{}) {
				t.Fatalf("%q: %+v, %v", s, a, err)
			}
			return
		}
		if back, err := ParseDecimal(a.Decimal(), EUR); err != nil || back != a {
			t.Fatalf("%q → %+v → %+v, %v", s, a, back, err)
		}
	})
}

func FuzzParseQuantity(f *testing.F) {
	for _, s := range []string{"1.250", "1,25", "-3", "0.0001", "9223372036854775.807"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		q, err := ParseQuantity(s)
		if err != nil {
			if !problem.Is(err, "money.quantity") || q != 0 {
				t.Fatalf("%q: %d, %v", s, q, err)
			}
			return
		}
		if back, err := ParseQuantity(q.String()); err != nil || back != q {
			t.Fatalf("%q → %d → %d, %v", s, q, back, err)
		}
	})
}

// FuzzAmountJSON holds our own reader against encoding/json: what we accept it must
// accept, with the same content.
func FuzzAmountJSON(f *testing.F) {
	for _, s := range []string{
		`{"amount":1250,"currency":"EUR"}`, `{"amount":1e3,"currency":"EUR"}`, `{"currency":"EUR","amount":-5}`,
		`{"amount":01,"currency":"EUR"}`, `{"amount":- 1,"currency":"EUR"}`, `{"amount":1,"currency":"EUR",}`, `{`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var ours Amount
		if err := ours.UnmarshalJSON(data); err != nil {
			if problem.As(err) == nil {
				t.Fatalf("%q: %v", data, err)
			}
			return
		}
		var theirs struct {
			Amount   int64  `json:"amount"`
			Currency string `json:"currency"`
		}
		if err := json.Unmarshal(data, &theirs); err != nil || theirs.Amount != ours.Minor || theirs.Currency != string(ours.Currency) {
			t.Fatalf("%q: %+v, encoding/json: %+v, %v", data, ours, theirs, err)
		}
	})
}
