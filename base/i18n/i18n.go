// Package i18n says things in the reader's language.
//
// A message has a key and, per language, a sentence in locales/<language>.json. The
// sentence of a problem is keyed "problem." and its code, the title of its kind
// "kind." and its name. A sentence names facts as {{.article}}; both languages name
// the same ones, and a test holds the catalogues to the same keys.
//
// French is written first: calm, the cause and what to do, in the words of the till
// (Règlement, Réduction, Clôture, Poste…).
package i18n

import (
	"embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	goi18n "github.com/nicksnyder/go-i18n/v2/i18n"
	"golang.org/x/text/language"
)

const (
	// maxAcceptLanguage bounds what is read of an Accept-Language header: reading a
	// long one costs far more than its length.
	maxAcceptLanguage = 200

	// countArg is the argument that chooses between the singular and the plural of a
	// message that has both.
	countArg = "count"

	// hole is what the template engine writes where an argument is missing; a reader
	// gets an ellipsis instead.
	hole = "<no value>"
)

//go:embed locales/*.json
var locales embed.FS

// Language is one we speak, as a BCP 47 tag.
type Language string

// The languages.
const (
	French  Language = "fr"
	English Language = "en"
)

// Languages lists them, the default one first.
func Languages() []Language { return []Language{French, English} }

// Catalogue holds the sentences of all languages, safe for use by many goroutines.
type Catalogue struct {
	localizers map[Language]*goi18n.Localizer
	keys       []string
}

// New reads the embedded catalogues. It fails only when one of them is not JSON, which
// a test has seen before.
func New() (*Catalogue, error) {
	bundle := goi18n.NewBundle(language.French)
	c := &Catalogue{localizers: make(map[Language]*goi18n.Localizer)}
	for _, lang := range Languages() {
		name := "locales/" + string(lang) + ".json"
		text, err := locales.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("i18n: %w", err)
		}
		messages, err := bundle.ParseMessageBytes(language.Make(string(lang)), text, json.Unmarshal)
		if err != nil {
			return nil, fmt.Errorf("i18n: %s: %w", name, err)
		}
		for _, m := range messages {
			c.keys = append(c.keys, m.ID)
		}
		c.localizers[lang] = goi18n.NewLocalizer(bundle, string(lang))
	}
	slices.Sort(c.keys)
	c.keys = slices.Compact(c.keys)
	return c, nil
}

// Keys lists every key in order, so that a test can hold the problem codes of the
// source against "problem." + code.
func (c *Catalogue) Keys() []string { return slices.Clone(c.keys) }

// Has tells whether there is a sentence under key.
func (c *Catalogue) Has(key string) bool {
	_, found := slices.BinarySearch(c.keys, key)
	return found
}

// formatted is an argument that reads differently in each language, money.Amount for one.
type formatted interface{ Format(lang string) string }

// Text is the sentence under key, its {{.name}} filled from args. An argument with a
// Format(lang) method is written in the reader's way, and the integer "count" chooses
// the plural. Text never fails: an unknown language reads French, an unknown key is
// shown as it is, a missing argument leaves an ellipsis.
func (c *Catalogue) Text(lang Language, key string, args map[string]any) string {
	localizer, spoken := c.localizers[lang]
	if !spoken {
		lang, localizer = French, c.localizers[French]
	}
	if !c.Has(key) {
		return key
	}
	text, err := localizer.Localize(&goi18n.LocalizeConfig{
		MessageID:    key,
		TemplateData: inLanguage(lang, args),
		PluralCount:  count(args),
	})
	if text == "" && err != nil {
		return key
	}
	return strings.ReplaceAll(text, hole, "…")
}

// inLanguage writes the arguments that know how to; the caller's map is left alone.
func inLanguage(lang Language, args map[string]any) map[string]any {
	var out map[string]any
	for name, arg := range args {
		if f, ok := arg.(formatted); ok {
			if out == nil {
				out = make(map[string]any, len(args))
				for n, a := range args {
					out[n] = a
				}
			}
			out[name] = f.Format(string(lang))
		}
	}
	if out == nil {
		return args
	}
	return out
}

// count is the argument "count" if it is an integer, else nil: no plural.
func count(args map[string]any) any {
	switch n := args[countArg].(type) {
	case int:
		return n
	case int64:
		return n
	}
	return nil
}

// Match chooses the language for an Accept-Language header: the one its reader
// prefers among ours, else French.
func Match(acceptLanguage string) Language {
	if acceptLanguage == "" || len(acceptLanguage) > maxAcceptLanguage {
		return French
	}
	tags, _, err := language.ParseAcceptLanguage(acceptLanguage) // the preferred one first
	if err != nil {
		return French
	}
	for _, tag := range tags {
		base, _ := tag.Base()
		if lang := Language(base.String()); slices.Contains(Languages(), lang) {
			return lang
		}
	}
	return French
}
