package tidy

import (
	"path"
	"regexp"
	"slices"
	"strings"
)

// The words these rules are against are put together here, so that this file
// does not hold them.
var (
	claim   = regexp.MustCompile(`(?i)` + "certifi" + `(é|e\x{301}|\\u00e9|&eacute;)(e?s?)\b|` + "certifi" + `(é|e\x{301})`)
	pending = regexp.MustCompile(`\b(` + strings.Join([]string{"TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"}, "|") + `)\b(\(#[0-9]+\))?`)

	// machine finds folders of somebody's machine.
	machine = regexp.MustCompile(`(^|[^\w.~/-])/(` + strings.Join([]string{"wo" + "rk", "fa" + "rm", "ro" + "ot", "ho" + `me/[a-z]\w*`, "Us" + `ers/[A-Za-z]\w*`, "tmp/" + "research"}, "|") + `)(/|\b)`)

	// registries are where packages come from: which one is its user's affair.
	registries = []string{
		strings.Join([]string{"proxy", "golang", "org"}, "."),
		strings.Join([]string{"sum", "golang", "org"}, "."),
		strings.Join([]string{"registry", "npmjs", "org"}, "."),
		strings.Join([]string{"deb", "debian", "org"}, "."),
		strings.Join([]string{"security", "debian", "org"}, "."),
	}
)

// commented are the kinds of file in which an unfinished mark is looked for.
var commented = []string{".go", ".sql", ".sh", ".ts", ".tsx", ".js", ".css", ".templ", ".yml", ".yaml", ".toml"}

func textRules() []rule {
	word := func(parts ...string) string { return strings.Join(parts, "") }
	return []rule{
		{
			name:  "what is left to do has an issue",
			why:   "a mark in the code is forgotten; an issue is not",
			check: pendingMarks,
			broken: []plant{
				bad("sale/a.go", "package sale\n// "+word("TO", "DO")+": later\n", "without an issue"),
				bad("schema/1.sql", "-- "+word("FIX", "ME")+" later\n", "without an issue"),
			},
			fine: []plant{
				good("sale/a.go", "package sale\n// "+word("TO", "DO")+"(#12): later\n"),
				good("sale/a.go", "package sale\n// the "+word("to", "do")+" list\n"),
			},
		},
		{
			name:  "nothing claims a certificate",
			why:   "an installation's own build never attests itself; printing the word without the certificate is an offence",
			check: claims,
			broken: []plant{
				bad("base/i18n/locales/fr.json", `{"footer": "Logiciel `+word("certifi", "é")+`"}`, "never says"),
				bad("base/i18n/locales/fr.json", `{"footer": "Caisse `+word("CERTIFI", "É")+`E"}`, "never says"),
				bad("base/i18n/locales/fr.json", `{"footer": "`+word("certifi", `\u00e9`)+`"}`, "never says"),
			},
			fine: []plant{
				good("README.md", "It holds no certificate; certification is another matter.\n"),
			},
		},
		{
			name:  "no machine of ours in the text",
			why:   "a path of one machine or the host of one registry is wrong everywhere else",
			check: machines,
			broken: []plant{
				bad("README.md", "cd "+word("/wo", "rk")+"/main\n", "a folder of one machine"),
				bad("sale/a.go", "package sale\nconst p = \""+word("/ho", "me/")+"ann/x\"\n", "a folder of one machine"),
				bad("Makefile", "GOPROXY=https://"+registries[0]+"\n", "host of a registry"),
			},
			fine: []plant{
				good("README.md", "see test/"+"work/x, /var/lib/encaisse, https://example.org"+word("/wo", "rk")+"/\n"),
			},
		},
	}
}

func pendingMarks(t *tree) []finding {
	var out []finding
	for _, f := range t.files {
		if !slices.Contains(commented, path.Ext(f.path)) && path.Base(f.path) != "Makefile" {
			continue
		}
		eachLine(f, func(n int, line string) {
			for _, found := range pending.FindAllStringSubmatch(line, -1) {
				if found[2] == "" {
					out = append(out, finding{f.path, n, found[1] + " without an issue: write it as (#number)"})
				}
			}
		})
	}
	return out
}

func claims(t *tree) []finding {
	var out []finding
	for _, f := range t.files {
		eachLine(f, func(n int, line string) {
			if claim.MatchString(line) {
				out = append(out, finding{f.path, n, "this product never says that"})
			}
		})
	}
	return out
}

func machines(t *tree) []finding {
	var out []finding
	for _, f := range t.files {
		eachLine(f, func(n int, line string) {
			if found := machine.FindString(line); found != "" {
				out = append(out, finding{f.path, n, "a folder of one machine: " + strings.TrimSpace(found)})
			}
			for _, host := range registries {
				if strings.Contains(line, host) {
					out = append(out, finding{f.path, n, "the host of a registry"})
				}
			}
		})
	}
	return out
}

func eachLine(f *file, found func(n int, line string)) {
	n := 0
	for line := range strings.Lines(f.text) {
		n++
		found(n, line)
	}
}
