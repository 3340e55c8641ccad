package tidy

import (
	"path"
	"regexp"
	"strings"
	"unicode"
)

var (
	fenced     = regexp.MustCompile("(?ms)^ *(```|~~~).*?^ *(```|~~~) *$")
	inlineCode = regexp.MustCompile("`[^`\n]*`")
	inlineLink = regexp.MustCompile(`\]\(<?([^)>\s]+)>?(?:\s+"[^"]*")?\)`)
	reference  = regexp.MustCompile(`(?m)^ {0,3}\[[^\]]+\]:\s+<?(\S+?)>?\s*$`)
	htmlLink   = regexp.MustCompile(`(?:src|href)="([^"]+)"`)
	elsewhere  = regexp.MustCompile(`^[a-z][a-z0-9+.-]*:`)
	heading    = regexp.MustCompile(`(?m)^#{1,6}\s+(.+?)\s*#*\s*$`)
)

func linkRules() []rule {
	page := func(text string) map[string]string {
		return map[string]string{"docs/a.md": text, "docs/b.md": "# The `b` page, told\n", "docs/img/c.png": "\x89"}
	}
	return []rule{{
		name:  "links lead somewhere",
		why:   "a page that sends its reader nowhere is believed in nothing else",
		check: deadLinks,
		broken: []plant{
			{page("see [x](missing.md)\n"), "missing.md"},
			{page("see [x](../b.md)\n"), "../b.md"},
			{page("see [x](b.md#gone)\n"), "b.md#gone"},
			{page("see [x](#gone)\n"), "#gone"},
			{page("see [x][1]\n\n[1]: missing.md\n"), "missing.md"},
			{page("![x](img/missing.png)\n"), "img/missing.png"},
			{page("<img src=\"img/missing.png\">\n"), "img/missing.png"},
		},
		fine: []plant{
			{files: page("# Top\n[x](b.md) [y](b.md#the-b-page-told) [z](#top) ![i](img/c.png \"title\") [w](https://example.org/x.md) [d](../docs)\n")},
			{files: page("`[x](missing.md)`\n\n```\n[x](missing.md)\n```\n")},
		},
	}}
}

func deadLinks(t *tree) []finding {
	var out []finding
	for _, f := range t.files {
		if path.Ext(f.path) != ".md" || strings.Contains(f.path, "testdata/") {
			continue
		}
		text := blank(f.text, fenced, inlineCode)
		for _, pattern := range []*regexp.Regexp{inlineLink, reference, htmlLink} {
			for _, at := range pattern.FindAllStringSubmatchIndex(text, -1) {
				target := text[at[2]:at[3]]
				if !elsewhere.MatchString(target) && !t.leads(f, target) {
					out = append(out, finding{f.path, 1 + strings.Count(text[:at[2]], "\n"), target + " leads nowhere"})
				}
			}
		}
	}
	return out
}

// blank replaces what matches by spaces, lines kept.
func blank(text string, patterns ...*regexp.Regexp) string {
	for _, pattern := range patterns {
		text = pattern.ReplaceAllStringFunc(text, func(found string) string {
			return strings.Repeat("\n", strings.Count(found, "\n"))
		})
	}
	return text
}

// leads tells whether a link from f finds its file, and in a page its heading.
func (t *tree) leads(f *file, target string) bool {
	name, anchor, _ := strings.Cut(target, "#")
	to := f
	if name != "" {
		p := path.Join(f.dir(), name)
		if strings.HasPrefix(name, "/") {
			p = strings.TrimPrefix(name, "/")
		}
		if !t.paths[p] {
			return false
		}
		to = t.named(p)
	}
	if anchor == "" || to == nil || path.Ext(to.path) != ".md" {
		return true
	}
	for _, found := range heading.FindAllStringSubmatch(blank(to.text, fenced), -1) {
		if slug(found[1]) == anchor {
			return true
		}
	}
	return false
}

// slug is the anchor that a heading gets: lower case, spaces as dashes, no punctuation.
func slug(text string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(text) {
		switch {
		case r == ' ':
			b.WriteByte('-')
		case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
			b.WriteRune(r)
		}
	}
	return b.String()
}
