package nexo_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"encaisse/base/problem"
	"encaisse/terminal/nexo"
)

const vectors = "../../../shared/data/vectors/nexo"

// published is every envelope of the vectors by its name.
func published(t *testing.T) map[string][]byte {
	t.Helper()
	files, _ := filepath.Glob(filepath.Join(vectors, "*.json"))
	if len(files) == 0 {
		t.Skip("the published vectors are not beside this repository: ", vectors)
	}
	out := map[string][]byte{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		var members map[string]json.RawMessage
		if err := json.Unmarshal(data, &members); err != nil {
			t.Fatal(err)
		}
		if members["SaleToPOIResponse"] != nil {
			out[name] = data
			continue
		}
		for inner, text := range members {
			if text[0] == '{' {
				out[name+"."+inner] = text
			}
		}
	}
	return out
}

func TestPublishedVectorsGoThrough(t *testing.T) {
	for name, text := range published(t) {
		e, err := nexo.Decode(text)
		if name == "sync.syncRefund" {
			// Its header says Payment and its body is a ReversalResponse.
			if !problem.Is(err, "nexo.body") {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		written, err := nexo.Encode(e)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		again, err := nexo.Decode(written)
		if err != nil || cmp.Diff(e, again) != "" {
			t.Errorf("%s: %v\n%s", name, err, cmp.Diff(e, again))
		}
		if what := within("", parse(t, written), parse(t, text)); what != "" {
			t.Errorf("%s: %s is not what was read", name, what)
		}
		t.Log(name)
	}
}

func parse(t *testing.T, text []byte) any {
	t.Helper()
	from := json.NewDecoder(bytes.NewReader(text))
	from.UseNumber()
	var v any
	if err := from.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

// within is the path of the first member of written that original has not, or
// has otherwise; false and "" are what a member left out means.
func within(path string, written, original any) string {
	switch w := written.(type) {
	case map[string]any:
		o, _ := original.(map[string]any)
		for k, v := range w {
			if what := within(path+"."+k, v, o[k]); what != "" {
				return what
			}
		}
		return ""
	case []any:
		o, ok := original.([]any)
		if !ok || len(o) != len(w) {
			return path
		}
		for i := range w {
			if what := within(path, w[i], o[i]); what != "" {
				return what
			}
		}
		return ""
	}
	if original == nil && (written == false || written == "") {
		return ""
	}
	if written != original {
		return path
	}
	return ""
}

func TestTheComparisonOfVectorsCanFail(t *testing.T) {
	original := parse(t, []byte(`{"a":{"b":[1,{"c":"x"}]}}`))
	for _, other := range []string{`{"a":{"b":[1,{"c":"y"}]}}`, `{"a":{"b":[1]}}`, `{"a":{"b":[2,{"c":"x"}]}}`, `{"d":1}`} {
		if within("", parse(t, []byte(other)), original) == "" {
			t.Error(other)
		}
	}
}

const good = `{"SaleToPOIRequest":{"MessageHeader":{"ProtocolVersion":"3.0","MessageClass":"Service","MessageCategory":"Diagnosis",` +
	`"MessageType":"Request","ServiceID":"1","SaleID":"till","POIID":"A920-1"},"DiagnosisRequest":{}}}`

func TestHeadersAreHeldAgainstBodies(t *testing.T) {
	if _, err := nexo.Decode([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ from, to, code, at string }{
		"class":             {`"Service"`, `"Device"`, "nexo.header", "MessageClass"},
		"category":          {`"Diagnosis"`, `"Balance"`, "nexo.header", "MessageCategory"},
		"another's body":    {`"Diagnosis"`, `"Payment"`, "nexo.body", "PaymentRequest"},
		"type":              {`"MessageType":"Request"`, `"MessageType":"Response"`, "nexo.header", "MessageType"},
		"notification":      {`"MessageType":"Request"`, `"MessageType":"Notification"`, "nexo.header", "MessageType"},
		"version":           {`"3.0"`, `"2.0"`, "nexo.header", "ProtocolVersion"},
		"no number":         {`"ServiceID":"1",`, ``, "nexo.header", "ServiceID"},
		"long number":       {`"ServiceID":"1"`, `"ServiceID":"12345678901"`, "nexo.header", "ServiceID"},
		"odd number":        {`"ServiceID":"1"`, `"ServiceID":"1-2"`, "nexo.header", "ServiceID"},
		"odd device number": {`"ServiceID":"1"`, `"ServiceID":"1","DeviceID":"é"`, "nexo.header", "DeviceID"},
		"no till":           {`"SaleID":"till"`, `"SaleID":""`, "nexo.header", "SaleID"},
		"odd till":          {`"SaleID":"till"`, `"SaleID":"a b"`, "nexo.header", "SaleID"},
		"no reader":         {`"POIID":"A920-1"`, `"POIID":"` + strings.Repeat("x", 65) + `"`, "nexo.header", "POIID"},
		"two bodies":        {`"DiagnosisRequest":{}`, `"DiagnosisRequest":{},"LogoutRequest":{}`, "nexo.body", "Diagnosis"},
		"no body":           {`,"DiagnosisRequest":{}`, ``, "nexo.body", "Diagnosis"},
		"blob and body":     {`"DiagnosisRequest":{}`, `"DiagnosisRequest":{},"NexoBlob":"AA==","SecurityTrailer":{}`, "nexo.body", ""},
		"blob, no trailer":  {`"DiagnosisRequest":{}`, `"NexoBlob":"AA=="`, "nexo.body", ""},
		"two envelopes":     {`{"SaleToPOIRequest"`, `{"AcceptorConfigurationUpdate":{"parameters":{}},"SaleToPOIRequest"`, "nexo.envelope", ""},
		"wrong type":        {`"SaleID":"till"`, `"SaleID":4970100000000055`, "nexo.member", "SaleID"},
	} {
		text := strings.Replace(good, c.from, c.to, 1)
		_, err := nexo.Decode([]byte(text))
		if !problem.Is(err, c.code) || !strings.Contains(problem.As(err).Field, c.at) {
			t.Errorf("%s: %v, want %s at %s", name, err, c.code, c.at)
		}
		if err != nil && strings.Contains(err.Error(), "4970") {
			t.Errorf("%s: the problem repeats what was sent: %v", name, err)
		}
	}
}

func TestWhatNoTillMeansIsRefused(t *testing.T) {
	ours := `{"AcceptorAuthorisationRequest":{"poi_id":"A-1"}}`
	for name, c := range map[string]struct{ text, code string }{
		"nothing":                {``, "nexo.malformed"},
		"no JSON":                {`hello`, "nexo.malformed"},
		"cut short":              {good[:len(good)-1], "nexo.malformed"},
		"something follows":      {good + `{}`, "nexo.malformed"},
		"not UTF-8":              {strings.Replace(good, "till", "t\xffll", 1), "nexo.malformed"},
		"NUL":                    {strings.Replace(good, "till", `t\u0000ll`, 1), "nexo.malformed"},
		"a member twice":         {strings.Replace(good, `"SaleID":"till"`, `"SaleID":"till","SaleID":"other"`, 1), "nexo.malformed"},
		"twice, other letters":   {strings.Replace(good, `"SaleID":"till"`, `"SaleID":"till","saleid":"other"`, 1), "nexo.malformed"},
		"a name with an escape":  {strings.Replace(good, `"SaleID"`, `"Sale\u0049D"`, 1), "nexo.malformed"},
		"a name beyond ASCII":    {strings.Replace(good, `"SaleID"`, `"ſaleID":"x","SaleID"`, 1), "nexo.malformed"},
		"too deep":               {strings.Replace(good, `{}`, strings.Repeat(`{"a":`, 30)+`1`+strings.Repeat(`}`, 30), 1), "nexo.malformed"},
		"too large":              {strings.Replace(good, `{}`, `{"a":"`+strings.Repeat("x", nexo.MaxMessage)+`"}`, 1), "nexo.too_large"},
		"a list":                 {`[]`, "nexo.member"},
		"an empty object":        {`{}`, "nexo.envelope"},
		"null":                   {`null`, "nexo.envelope"},
		"unknown member of ours": {strings.Replace(ours, `"poi_id"`, `"tip":1,"poi_id"`, 1), "nexo.member"},
		"unknown envelope":       {`{"AcceptorBatchTransfer":{}}`, "nexo.member"},
	} {
		if _, err := nexo.Decode([]byte(c.text)); !problem.Is(err, c.code) {
			t.Errorf("%s: %v, want %s", name, err, c.code)
		}
	}
	unknown := strings.Replace(good, `{}`, `{"Extension":[{"a":1},{"a":2}]}`, 1)
	if _, err := nexo.Decode([]byte(unknown)); err != nil {
		t.Errorf("what another vendor adds is left alone: %v", err)
	}
}

func TestTheLinkTakesItsOwnWordsOnly(t *testing.T) {
	p := nexo.New("1")
	m, err := p.Decode([]byte(good))
	if !problem.Is(err, "nexo.header") || m.Reader != "A920-1" || m.Service != "1" {
		t.Errorf("another till: %+v, %v", m, err)
	}
	logout := strings.NewReplacer(`"till"`, `"encaisse"`, "DiagnosisRequest", "LogoutRequest", "Diagnosis", "Logout").Replace(good)
	if _, err := p.Decode([]byte(logout)); !problem.Is(err, "nexo.word") {
		t.Error(err)
	}
	key, err := nexo.DeriveKey("k", 1, "p")
	if err != nil {
		t.Fatal(err)
	}
	inner, err := nexo.Decode([]byte(strings.Replace(good, `"till"`, `"encaisse"`, 1)))
	if err != nil {
		t.Fatal(err)
	}
	blob, err := key.Encrypt(inner)
	if err != nil {
		t.Fatal(err)
	}
	text, err := nexo.Encode(blob)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Decode(text); !problem.Is(err, "nexo.word") {
		t.Errorf("a blob: %v", err)
	}
}
