package i18n

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/template"

	"encaisse/base/money"
)

// sentences reads a catalogue as written: key → sentence, or its plural forms.
func sentences(data []byte) (map[string][]string, error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	if _, err := decoder.Token(); err != nil {
		return nil, err
	}
	found := make(map[string][]string)
	for decoder.More() {
		key, err := decoder.Token()
		if err != nil {
			return nil, err
		}
		name := key.(string)
		if _, twice := found[name]; twice {
			return nil, fmt.Errorf("%s is there twice", name)
		}
		var value any
		if err := decoder.Decode(&value); err != nil {
			return nil, err
		}
		switch v := value.(type) {
		case string:
			found[name] = []string{v}
		case map[string]any:
			for _, form := range v {
				found[name] = append(found[name], form.(string))
			}
		}
	}
	return found, nil
}

var placeholder = regexp.MustCompile(`{{\s*\.(\w+)\s*}}`)

func placeholders(forms []string) []string {
	var names []string
	for _, form := range forms {
		for _, m := range placeholder.FindAllStringSubmatch(form, -1) {
			names = append(names, m[1])
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// faults compares a catalogue with the French one and lists what is wrong with it.
func faults(french, other map[string][]string) []string {
	var found []string
	for key, forms := range french {
		theirs, there := other[key]
		switch {
		case !there:
			found = append(found, key+": missing")
		case !slices.Equal(placeholders(forms), placeholders(theirs)):
			found = append(found, fmt.Sprintf("%s: names %v, French %v", key, placeholders(theirs), placeholders(forms)))
		}
	}
	for key, forms := range other {
		if _, there := french[key]; !there {
			found = append(found, key+": not in French")
		}
		for _, form := range forms {
			if strings.TrimSpace(form) == "" {
				found = append(found, key+": empty")
			}
			if strings.Contains(form, "!") {
				found = append(found, key+": exclamation mark")
			}
			if _, err := template.New("").Parse(form); err != nil {
				found = append(found, key+": "+err.Error())
			}
		}
	}
	slices.Sort(found)
	return found
}

func read(t *testing.T, lang Language) map[string][]string {
	t.Helper()
	data, err := locales.ReadFile("locales/" + string(lang) + ".json")
	if err != nil {
		t.Fatal(err)
	}
	found, err := sentences(data)
	if err != nil {
		t.Fatalf("%s: %v", lang, err)
	}
	return found
}

func TestCataloguesAreEqual(t *testing.T) {
	french := read(t, French)
	for _, lang := range Languages() {
		for _, fault := range faults(french, read(t, lang)) {
			t.Errorf("%s: %s", lang, fault)
		}
	}
}

func TestCatalogueFaultsAreSeen(t *testing.T) {
	french := map[string][]string{"a": {"un {{.x}}"}, "b": {"deux"}, "c": {"trois"}, "d": {"quatre"}, "f": {"cinq"}}
	other := map[string][]string{"a": {"one {{.y}}"}, "c": {"three!"}, "d": {" "}, "e": {"new"}, "f": {"five {{.}"}}
	got := strings.Join(faults(french, other), "\n")
	for _, want := range []string{"a: names [y], French [x]", "b: missing", "c: exclamation", "d: empty", "e: not in French", "f: template"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not seen in:\n%s", want, got)
		}
	}
	if _, err := sentences([]byte(`{"a":"x","a":"y"}`)); err == nil {
		t.Error("a key that is there twice is not seen")
	}
}

func TestText(t *testing.T) {
	c, err := New()
	if err != nil {
		t.Fatal(err)
	}
	args := map[string]any{"prefix": "sale"}
	for lang, want := range map[Language]string{
		French:  "Cet identifiant n'est pas valable. Il doit commencer par « sale_ ».",
		English: "This identifier is not valid. It must begin with “sale_”.",
		"xx":    "Cet identifiant n'est pas valable. Il doit commencer par « sale_ ».",
	} {
		if got := c.Text(lang, "problem.id.malformed", args); got != want {
			t.Errorf("%s: %q, want %q", lang, got, want)
		}
	}
	if got := c.Text(French, "problem.no.such", nil); got != "problem.no.such" {
		t.Errorf("unknown key: %q", got)
	}
	if got := c.Text(French, "problem.id.malformed", nil); got != "Cet identifiant n'est pas valable. Il doit commencer par « …_ »." {
		t.Errorf("missing argument: %q", got)
	}
	if !c.Has("problem.money.overflow") || c.Has("problem.money") {
		t.Error("Has is wrong")
	}
	if keys := c.Keys(); !slices.IsSorted(keys) || len(keys) != len(read(t, French)) {
		t.Errorf("%d keys, %d sentences", len(keys), len(read(t, French)))
	}
}

func TestTextWritesAmountsInTheReadersWay(t *testing.T) {
	c, err := New()
	if err != nil {
		t.Fatal(err)
	}
	args := map[string]any{"left": money.Amount{Minor: 123450, Currency: money.EUR}, "right": "CHF"}
	if got := c.Text(French, "problem.money.currency", args); !strings.Contains(got, "(1\u202f234,50\u00a0€ et CHF)") {
		t.Errorf("%q", got)
	}
	if got := c.Text(English, "problem.money.currency", args); !strings.Contains(got, "(€1,234.50 and CHF)") {
		t.Errorf("%q", got)
	}
	if _, kept := args["left"].(money.Amount); !kept {
		t.Error("the caller's arguments were changed")
	}
}

func TestTextFromManyGoroutines(t *testing.T) {
	c, err := New()
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for _, key := range c.Keys() {
				c.Text(English, key, map[string]any{"count": 2})
			}
		})
	}
	group.Wait()
}

func TestMatch(t *testing.T) {
	for header, want := range map[string]Language{
		"":                                   French,
		"fr-FR,fr;q=0.9,en;q=0.8":            French,
		"en-GB,en;q=0.9,fr;q=0.8":            English,
		"fr;q=0.5, en;q=0.9":                 English,
		"pt-BR, en;q=0.1":                    English,
		"pt-BR":                              French,
		"*":                                  French,
		";;;":                                French,
		strings.Repeat("en-x-aaaaaaaa,", 99): French,
	} {
		if got := Match(header); got != want {
			t.Errorf("%q: %s, want %s", header, got, want)
		}
	}
}

func FuzzMatch(f *testing.F) {
	f.Add("fr-FR,fr;q=0.9,en;q=0.8")
	f.Add("en;q=")
	f.Fuzz(func(t *testing.T, header string) {
		if got := Match(header); !slices.Contains(Languages(), got) {
			t.Fatalf("%q: %q", header, got)
		}
	})
}

func BenchmarkText(b *testing.B) {
	c, err := New()
	if err != nil {
		b.Fatal(err)
	}
	args := map[string]any{"prefix": "sale"}
	b.ReportAllocs()
	for b.Loop() {
		c.Text(English, "problem.id.malformed", args)
	}
}
