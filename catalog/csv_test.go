package catalog

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"encaisse/base/money"
	"encaisse/base/problem"
)

// FuzzRead holds what is true of any file that can be read: no line is lost or
// counted twice, good lines are articles that could be put in by hand, and
// written out again they read the same.
func FuzzRead(f *testing.F) {
	for _, name := range []string{"testdata/boulangerie.csv", "testdata/tableur.csv"} {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte("nom\ttva\tprix\nPain\t5,5\t1,00\n"))
	f.Add([]byte("nom;tva;prix\n\"a;20;1\nb\";20;1\nc;20;1"))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := read(bytes.NewReader(data), money.EUR)
		if err != nil {
			if problem.As(err) == nil {
				t.Fatal(err)
			}
			return
		}
		if s.read != len(s.rows)+s.rejected || (s.rejected > 0) != (len(s.bad) > 0) {
			t.Fatalf("%d lines: %d good, %d bad, %d named", s.read, len(s.rows), s.rejected, len(s.bad))
		}
		total := bytes.Count(data, []byte("\n")) + 1
		line := 0
		for _, r := range s.rows {
			if r.line <= line || r.line > total {
				t.Fatalf("line %d after line %d of %d", r.line, line, total)
			}
			line = r.line
			checkRow(t, r)
		}
		for _, b := range s.bad {
			if b.Line < 2 || b.Line > total || b.Problem == nil || b.Problem.Code == "" {
				t.Fatalf("%+v of %d lines", b, total)
			}
		}
		again, err := read(strings.NewReader(print(s.rows)), money.EUR)
		if err != nil || again.rejected != 0 {
			t.Fatalf("written out: %v, %+v", err, again)
		}
		if diff := cmp.Diff(s.rows, again.rows, cmp.AllowUnexported(row{}), cmpopts.IgnoreFields(row{}, "line", "given"), cmpopts.EquateEmpty()); diff != "" {
			t.Fatal(diff)
		}
	})
}

func checkRow(t *testing.T, r row) {
	t.Helper()
	a := Article{ID: "art_01900000000000000000000000", Reference: r.key, Name: r.name, Nature: r.nature, VAT: r.vat, Price: r.price, EAN: r.ean}
	checked, err := a.check(money.EUR)
	if err != nil || checked.Reference != r.key || checked.Name != r.name {
		t.Fatalf("%+v cannot be put in by hand: %v", r, err)
	}
	for _, s := range []string{r.key, r.name, r.category} {
		if !utf8.ValidString(s) || strings.ContainsAny(s, "\r\n\x00") {
			t.Fatalf("%q", s)
		}
	}
}

// print writes rows as a file.
func print(rows []row) string {
	var b strings.Builder
	w := csv.NewWriter(&b)
	w.Write([]string{"ean", "ref", "nom", "categorie", "tva", "prix", "nature"})
	for _, r := range rows {
		price := ""
		if r.price != nil {
			price = r.price.Decimal()
		}
		w.Write([]string{r.ean, r.key, r.name, r.category, r.vat.String(), price, r.nature})
	}
	w.Flush()
	return b.String()
}

func TestSynonymsAreFolded(t *testing.T) {
	for name := range synonyms {
		if heading(name) != name {
			t.Errorf("%q can never be found: it is %q once folded", name, heading(name))
		}
	}
	for name := range natures {
		if heading(name) != name {
			t.Errorf("%q can never be found: it is %q once folded", name, heading(name))
		}
	}
}

func TestHeadings(t *testing.T) {
	for text, want := range map[string]column{
		"ean13": columnEAN, "Code-barres": columnEAN, "CODE_BARRES": columnEAN, " GTIN ": columnEAN,
		"Désignation": columnName, "Libellé": columnName, "article": columnName, "Nom de l’article": columnName, "Nom de l'article": columnName,
		"Catégorie": columnCategory, "vat_rate": columnVAT, "TVA (%)": columnVAT, "Taux de TVA": columnVAT,
		"price_ttc": columnPrice, "price_usual": columnPrice, "Prix (TTC)": columnPrice, "PRIX": columnPrice,
		"Référence": columnReference, "price_min": "", "Prix HT": "", "": "",
	} {
		if got := synonyms[heading(text)]; got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}

func TestFold(t *testing.T) {
	for in, want := range map[string]string{"ÉCLAIR": "eclair", "Œuf": "oeuf", "Crème brûlée": "creme brulee", "ﬁn": "fin", "10 €": "10 €"} {
		if got := fold(in); got != want {
			t.Errorf("%q is %q, want %q", in, got, want)
		}
	}
}

func TestPrices(t *testing.T) {
	for in, want := range map[string]string{
		"0.90": "0.90", "0,90": "0.90", "0,90 €": "0.90", "0,90€": "0.90", "0,90\u00a0€": "0.90", "1\u202f234,50 €": "1234.50",
		"1 234.5 EUR": "1234.50", "3": "3.00", "0": "0.00", "": "asked", "   ": "asked",
		"€ 3": "catalog.price_unreadable", "1.234,50": "catalog.price_unreadable", "1,234.50": "catalog.price_unreadable", "3 $": "catalog.price_unreadable",
		"-1": "catalog.price_negative", "1,005": "catalog.price_fraction", "€": "catalog.price_unreadable",
		"10000000": "catalog.price_too_large", "99999999999999999999": "catalog.price_too_large",
	} {
		got := "asked"
		price, err := parsePrice(in, money.EUR)
		switch {
		case err != nil:
			got = problem.As(err).Code
		case price != nil:
			got = price.Decimal()
		}
		if got != want {
			t.Errorf("%q is %s, want %s", in, got, want)
		}
	}
	if price, err := parsePrice("1 500 XPF", money.XPF); err != nil || price.Minor != 1500 {
		t.Error(price, err)
	}
}

func TestALargeFileIsReadLineByLine(t *testing.T) {
	var b bytes.Buffer
	b.WriteString("nom;tva;prix\r\n")
	for i := range MaxImportLines {
		fmt.Fprintf(&b, "Article %d;20;1,00\r\n", i)
	}
	s, err := read(&b, money.EUR)
	if err != nil || len(s.rows) != MaxImportLines || s.rejected != 0 {
		t.Fatal(err, len(s.rows), s.rejected)
	}
	if last := s.rows[len(s.rows)-1]; last.line != MaxImportLines+1 || last.name != "Article 49999" {
		t.Errorf("%+v", last)
	}
}
