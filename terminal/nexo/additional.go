package nexo

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"encaisse/base/problem"
)

// Limits of key/values.
const (
	maxPairs = 128
	maxValue = 2048 // characters of one value
)

// Additional is key/values, as AdditionalResponse, SaleToAcquirerData and
// EventDetails carry them.
type Additional map[string]string

// String is the form-encoded text, keys in order; a space is %20, which every
// reader of forms takes.
func (a Additional) String() string {
	keys := make([]string, 0, len(a))
	for k, v := range a {
		if v != "" {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	var out strings.Builder
	for _, k := range keys {
		if out.Len() > 0 {
			out.WriteByte('&')
		}
		out.WriteString(escape(k) + "=" + escape(a[k]))
	}
	return out.String()
}

func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// ParseAdditional reads key/values, whichever of the two forms they have:
// form-encoded, or base64 of a JSON object, whose inner objects are read as
// outer.inner. A key that comes twice has its first value. Problem
// nexo.additional.
func ParseAdditional(s string) (Additional, error) {
	refused := problem.New(problem.Invalid, "nexo.additional")
	out := Additional{}
	if object, ok := fromBase64(s); ok {
		if !out.flatten("", object) {
			return nil, refused
		}
		return out, nil
	}
	values, err := url.ParseQuery(strings.TrimSpace(s))
	if err != nil || len(values) > maxPairs {
		return nil, refused
	}
	for k, v := range values {
		if len(v[0]) > maxValue || !clean(k) || !clean(v[0]) {
			return nil, refused
		}
		out[k] = v[0]
	}
	return out, nil
}

// fromBase64 tells whether s is base64 of a JSON object.
func fromBase64(s string) (map[string]any, bool) {
	b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(s))
	if err != nil || len(b) == 0 || b[0] != '{' || scan(b) != nil {
		return nil, false
	}
	from := json.NewDecoder(strings.NewReader(string(b)))
	from.UseNumber()
	var object map[string]any
	if err := from.Decode(&object); err != nil {
		return nil, false
	}
	return object, true
}

func (a Additional) flatten(prefix string, object map[string]any) bool {
	for k, v := range object {
		switch v := v.(type) {
		case string:
			a[prefix+k] = v
		case json.Number:
			a[prefix+k] = v.String()
		case bool:
			a[prefix+k] = strconv.FormatBool(v)
		case map[string]any:
			if !a.flatten(prefix+k+".", v) {
				return false
			}
		}
		if len(a) > maxPairs || len(a[prefix+k]) > maxValue {
			return false
		}
	}
	return true
}

// clean tells text without control characters, but for the ends of lines that
// some readers fold long values with.
func clean(s string) bool {
	return strings.ToValidUTF8(s, "\x00") == s &&
		strings.IndexFunc(s, func(r rune) bool { return r < ' ' && r != '\n' && r != '\r' && r != '\t' }) < 0
}

func (a Additional) flag(key string) bool { return a[key] == "true" }

func (a Additional) setFlag(key string, on bool) {
	if on {
		a[key] = "true"
	}
}

// number reads a whole number; other text is no number: missing.
func (a Additional) number(key string, missing int64) int64 {
	if n, err := strconv.ParseInt(a[key], 10, 64); err == nil {
		return n
	}
	return missing
}

// timeLayout is RFC 3339 with milliseconds, as readers write it.
const timeLayout = "2006-01-02T15:04:05.000Z07:00"

func formatTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(timeLayout)
}

// parseTime reads RFC 3339 and keeps the zone it was written in.
func parseTime(s, path string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil || t.Year() < minYear || t.Year() > maxYear {
		return time.Time{}, problem.New(problem.Invalid, "nexo.time").At(path)
	}
	return t.Truncate(time.Millisecond), nil
}

// Years that the clock of a reader can show.
const (
	minYear = 2000
	maxYear = 2200
)
