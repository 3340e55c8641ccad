package sale

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
)

// tablesSay is who says otherwise, where a body was derived from the tables.
const tablesSay = "tables say"

// firstDifference names the first member in which two canonical bodies differ,
// the one that was sealed and the one that who derived.
func firstDifference(sealed, derived []byte, who string) string {
	a, err := decode(sealed)
	if err != nil {
		return "its sealed content does not read as JSON"
	}
	b, _ := decode(derived)
	if d := differenceAt("", a, b, who); d != "" {
		return d
	}
	return "its sealed content is not in canonical form"
}

func decode(body []byte) (v any, err error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	err = d.Decode(&v)
	return v, err
}

func differenceAt(path string, sealed, derived any, who string) string {
	if _, object := derived.(map[string]any); object && sealed == nil {
		sealed = map[string]any{}
	}
	switch a := sealed.(type) {
	case map[string]any:
		b, _ := derived.(map[string]any)
		for _, key := range slices.Sorted(keysOf(a, b)) {
			if d := differenceAt(path+"."+key, a[key], b[key], who); d != "" {
				return d
			}
		}
		return ""
	case []any:
		b, _ := derived.([]any)
		for i := range min(len(a), len(b)) {
			if d := differenceAt(fmt.Sprintf("%s[%d]", path, i+1), a[i], b[i], who); d != "" {
				return d
			}
		}
		if len(a) != len(b) {
			return fmt.Sprintf("number of %s: sealed %d, %s %d", path[1:], len(a), who, len(b))
		}
		return ""
	}
	if reflect.DeepEqual(sealed, derived) {
		return ""
	}
	return fmt.Sprintf("%s: sealed %s, %s %s", path[1:], said(sealed), who, said(derived))
}

// said is a value in a sentence; a member that is left out is nothing.
func said(v any) string {
	if v == nil {
		return "nothing"
	}
	return fmt.Sprint(v)
}

// keysOf yields the keys of both, each once.
func keysOf(a, b map[string]any) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for key := range a {
			if !yield(key) {
				return
			}
		}
		for key := range b {
			if _, both := a[key]; !both && !yield(key) {
				return
			}
		}
	}
}
