package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/validation"

	"encaisse/base/problem"
)

// reading is an API that can read bodies and nothing else.
func reading() *API {
	a := &API{plans: make(map[reflect.Type]*plan)}
	a.newRegistry()
	new(body[saleRequest]).plan(a)
	new(body[shapes]).plan(a)
	return a
}

// shapes has one field of each kind.
type shapes struct {
	Text    string   `json:"text,omitempty"`
	Number  int64    `json:"number,omitempty"`
	Flag    bool     `json:"flag,omitempty"`
	List    []string `json:"list,omitempty" nullable:"false"`
	Inner   *shapes  `json:"inner,omitempty"`
	Needed  string   `json:"needed"`
	Pointer *int64   `json:"pointer,omitempty"`
}

func readAs[T any](a *API, text string) (T, error) {
	var b body[T]
	b.decode(a, []byte(text))
	return b.read()
}

func TestDecodeTakes(t *testing.T) {
	a := reading()
	seven := int64(7)
	for text, want := range map[string]shapes{
		`{"needed":""}`: {},
		" {\n\t\"needed\" : \"x\" , \"number\" : -12 , \"flag\" : true }\r\n": {Needed: "x", Number: -12, Flag: true},
		`{"needed":"a\"\\\/\b\f\n\r\té€𝄞"}`:                                   {Needed: "a\"\\/\b\f\n\r\té€𝄞"},
		`{"needed":"é\u00e9"}`:                                                {Needed: "éé"},
		`{"needed":"x","list":["a","b"],"inner":{"needed":"y","list":[]},"pointer":7}`: {
			Needed: "x", List: []string{"a", "b"}, Inner: &shapes{Needed: "y", List: []string{}}, Pointer: &seven,
		},
		`{"needed":"x","text":null,"number":null,"inner":null,"list":null,"flag":null}`: {Needed: "x"},
		`{"needed":"x","number":9223372036854775807}`:                                   {Needed: "x", Number: 1<<63 - 1},
		`{"needed":"x","number":-9223372036854775808,"flag":false}`:                     {Needed: "x", Number: -1 << 63},
		`{"needed":"x","number":-0}`:                                                    {Needed: "x"},
		`{"needed":"\ufffd"}`:                                                           {Needed: "\ufffd"},
		`{"needed":"` + strings.Repeat("long", 1000) + `"}`:                             {Needed: strings.Repeat("long", 1000)},
	} {
		got, err := readAs[shapes](a, text)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%.60s: %v %s", text, err, diff)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	a := reading()
	for text, want := range map[string]string{
		``:    "request.json", // huma refuses an empty body before
		`nul`: "request.json", `null`: "request.object", `"x"`: "request.object", `[1,2]`: "request.object", `{`: "request.json", `}`: "request.json",
		`{"needed"}`: "request.json", `{"needed":}`: "request.json", `{"needed":"x",}`: "request.json", `{,}`: "request.json", `{"needed":"x"}}`: "request.json",
		`{"needed":"x"} x`: "request.json", `{'needed':'x'}`: "request.json", `{needed:"x"}`: "request.json", "{\"needed\":\"a\nb\"}": "request.json",
		`{"needed":"\x"}`: "request.json", `{"needed":"\u12"}`: "request.json", `{"needed":"\u+123"}`: "request.json", `{"needed":"x`: "request.json",
		`{"needed":"\`: "request.json", `{"needed":"x","number":01}`: "request.json", `{"needed":"x","number":-}`: "request.json",
		`{"needed":"x","number":1.}`: "request.json", `{"needed":"x","number":1e}`: "request.json", `{"needed":"x","number":.5}`: "request.json",
		`{"needed":"x","number":+1}`: "request.json", `{"needed":"x","flag":tru}`: "request.json", `{"needed":"x","flag":truer}`: "request.json",
		`{"needed":"x","number":NaN}`: "request.json",
		`{}`:                          "request.required at needed", `{"needed":null}`: "request.required at needed", `{"needed":"x","inner":{}}`: "request.required at inner.needed",
		`{"needed":1}`: "request.string at needed", `{"needed":"x","number":1.0}`: "request.integer at number", `{"needed":"x","number":1e2}`: "request.integer at number",
		`{"needed":"x","number":9223372036854775808}`: "request.integer at number", `{"needed":"x","number":"1"}`: "request.integer at number",
		`{"needed":"x","flag":1}`: "request.boolean at flag", `{"needed":"x","flag":"true"}`: "request.boolean at flag",
		`{"needed":"x","list":["a",1]}`: "request.string at list[1]", `{"needed":"x","list":[null]}`: "request.string at list[0]", `{"needed":"x","list":{}}`: "request.list at list",
		`{"needed":"x","inner":[]}`: "request.object at inner", `{"needed":"x","Text":""}`: "request.unknown at Text", `{"needed":"x","":1}`: "request.unknown",
		`{"needed":"x","4970101234567890":1}`: "request.unknown", `{"needed":"x","a b":1}`: "request.unknown", `{"needed":"x","` + strings.Repeat("a", 41) + `":1}`: "request.unknown",
		`{"needed":"x","needed":"y"}`: "request.duplicate at needed", `{"needed":"x","\u006eeeded":"y"}`: "request.duplicate at needed",
		`{"needed":"\ud800"}`: "request.text at needed", `{"needed":"\udc00"}`: "request.text at needed", `{"needed":"\ud800\ud800"}`: "request.text at needed",
		`{"needed":"\ud800x"}`: "request.text at needed", `{"needed":"\u0000"}`: "request.text at needed", "{\"needed\":\"\xff\"}": "request.text at needed",
		`{"needed":"x","inner":{"needed":"y","inner":{"needed":5}}}`: "request.string at inner.inner.needed",
	} {
		_, err := readAs[shapes](a, text)
		e := problem.As(err)
		if e == nil {
			t.Errorf("%.60q is taken", text)
			continue
		}
		got := e.Code
		if e.Field != "" {
			got += " at " + e.Field
		}
		if got != want && (e.Code != "request.json" || want != "request.json") {
			t.Errorf("%.60q: %s, want %s", text, got, want)
		}
	}
}

func TestDecodeBounds(t *testing.T) {
	a := reading()
	deep := `{"needed":"x","inner":` + strings.Repeat(`{"needed":"x","inner":`, maxDepth) + `null` + strings.Repeat("}", maxDepth+1)
	_, err := readAs[shapes](a, deep)
	if !problem.Is(err, "request.too_deep") {
		t.Errorf("deep: %v", err)
	}
	_, err = readAs[shapes](a, `{"needed":"x","other":`+strings.Repeat(`{"a":`, 100_000))
	if !problem.Is(err, "request.too_deep") {
		t.Errorf("deep and unknown: %v", err)
	}
	_, err = readAs[shapes](a, `{"list":[`+strings.Repeat(`"",`, maxValues)+`""]}`)
	if !problem.Is(err, "request.too_many_values") {
		t.Errorf("many: %v", err)
	}
	_, err = readAs[shapes](a, `{"list":[`+strings.Repeat(`1,`, 1000)+`1]}`)
	if e := problem.As(err); e == nil || 1+len(e.Details) != maxFaults {
		t.Errorf("%d faults are named", 1+len(problem.As(err).Details))
	}
}

// FuzzDecode: what we take, encoding/json takes too and reads the same; what is no
// JSON we do not take; and nothing of the input is in a refusal but names that are safe.
func FuzzDecode(f *testing.F) {
	a := reading()
	for _, seed := range []string{
		`{"register_id":"reg_01k9zq0w5tfk8v3q8h2m7c4x9d","lines":[{"label":"Pain","vat_bp":550,"quantity":"1.5","unit_price":{"amount":125,"currency":"EUR"}}],` +
			`"tenders":[{"id":"tnd_01k9zq0w5tfk8v3q8h2m7c4x9d","means":"cash","amount":{"amount":188,"currency":"EUR"}}]}`,
		`{"register_id":"reg_01k9zq0w5tfk8v3q8h2m7c4x9d","lines":[],"reduction":{"percent_bp":1000,"name":"\u00e9\ud83e\udd56"},"x":[1,{"y":null}]}`,
		`{"lines":[{"quantity":1.5}]}`, `[]`, `{"lines":[1,2,`, `{"external_ref":"\ud800"}`, `{"lines":null,"lines":[]}`, `nul`, `{"a":1e999}`, `{"":{}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var b body[saleRequest]
		b.decode(a, data)
		got, err := b.read()
		if err != nil {
			e := problem.As(err)
			if e == nil || e.Kind == problem.Internal {
				t.Fatalf("refused with %v", err)
			}
			if e.Code == "request.json" && json.Valid(data) {
				t.Fatalf("%q is JSON", data)
			}
			return
		}
		var want saleRequest
		d := json.NewDecoder(bytes.NewReader(data))
		d.DisallowUnknownFields()
		if err := d.Decode(&want); err != nil {
			t.Fatalf("we take %q, encoding/json says %v", data, err)
		}
		if _, err := d.Token(); err != io.EOF {
			t.Fatalf("we take %q, there is more in it", data)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%q: %s", data, diff)
		}
	})
}

// TestEveryMessageOfHumaIsTranslated: those that the parameters of our operations can
// cause each have a code of their own.
func TestEveryMessageOfHumaIsTranslated(t *testing.T) {
	for message, want := range map[string]string{
		"required path parameter is missing":                               "request.required",
		"unknown query parameter":                                          "request.unknown",
		"invalid integer":                                                  "request.integer",
		"invalid boolean":                                                  "request.boolean",
		fmt.Sprintf(validation.MsgExpectedMinimumNumber, 1):                "request.minimum",
		fmt.Sprintf(validation.MsgExpectedMaximumNumber, 100):              "request.maximum",
		fmt.Sprintf(validation.MsgExpectedMinLength, 1):                    "request.too_short",
		fmt.Sprintf(validation.MsgExpectedMaxLength, 100):                  "request.too_long",
		fmt.Sprintf(validation.MsgExpectedOneOf, "a, b"):                   "request.enum",
		fmt.Sprintf(validation.MsgExpectedMatchPattern, "^sale"+idPattern): "id.malformed",
		fmt.Sprintf(validation.MsgExpectedMatchPattern, "^[A-Z]{3}$"):      "request.value",
		"something new": "request.value",
	} {
		e := translateFault(&huma.ErrorDetail{Message: message, Location: "query.limit", Value: "4970101234567890"})
		if e.Code != want || e.Field != "query.limit" {
			t.Errorf("%q is %s at %s, want %s", message, e.Code, e.Field, want)
		}
		if strings.Contains(e.Error(), "4970") {
			t.Errorf("%q repeats the value", message)
		}
	}
	if e := translateFault(&huma.ErrorDetail{Message: fmt.Sprintf(validation.MsgExpectedMinimumNumber, 1), Location: "query.limit"}); e.Args["least"] != "1" {
		t.Errorf("the least is %v", e.Args)
	}
	if e := translateFault(&huma.ErrorDetail{Message: fmt.Sprintf(validation.MsgExpectedOneOf, "a, b")}); e.Args["known"] != "a, b" {
		t.Errorf("the choices are %v", e.Args)
	}
	if e := problem.As(translate(&huma.ErrorModel{Status: 500, Detail: "something new"})); e.Kind != problem.Internal {
		t.Errorf("what nobody knows is %v", e)
	}
	if e := problem.As(translate(&huma.ErrorModel{Status: 400, Detail: "request body is required"})); e.Code != "request.body_missing" {
		t.Errorf("no body: %v", e)
	}
}

const saleText = `{"register_id":"reg_01k9zq0w5tfk8v3q8h2m7c4x9d","lines":[{"article_id":"art_01k9zq0w5tfk8v3q8h2m7c4x9d","quantity":"2"},` +
	`{"article_id":"art_01k9zq0w5tfk8v3q8h2m7c4x9e","quantity":"1"},{"article_id":"art_01k9zq0w5tfk8v3q8h2m7c4x9f","quantity":"1"}],` +
	`"tenders":[{"id":"tnd_01k9zq0w5tfk8v3q8h2m7c4x9d","means":"cash","amount":{"amount":525,"currency":"EUR"}}]}`

func BenchmarkDecode(b *testing.B) {
	a := reading()
	data := []byte(saleText)
	b.Run("ours", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var request body[saleRequest]
			request.decode(a, data)
			if _, err := request.read(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("huma", func(b *testing.B) { // a tree, its validation, then the struct
		b.ReportAllocs()
		schema := a.registry.Schema(reflect.TypeFor[saleRequest](), true, "")
		path, result := huma.NewPathBuffer(make([]byte, 0, 128), 0), &huma.ValidateResult{}
		for b.Loop() {
			var tree any
			if err := json.Unmarshal(data, &tree); err != nil {
				b.Fatal(err)
			}
			path.Reset()
			result.Reset()
			huma.Validate(a.registry, schema, path, huma.ModeWriteToServer, tree, result)
			var request saleRequest
			if err := json.Unmarshal(data, &request); err != nil || len(result.Errors) > 0 {
				b.Fatal(err, result.Errors)
			}
		}
	})
}
