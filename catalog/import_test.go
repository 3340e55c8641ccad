package catalog_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"encaisse/base/id"
	"encaisse/catalog"
)

func (s *shop) file(name string) []byte {
	s.t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		s.t.Fatal(err)
	}
	return data
}

// load imports a file that must be put in without a bad line.
func (s *shop) load(data []byte, strict bool) catalog.Result {
	s.t.Helper()
	r, err := s.Import(s.t.Context(), s.boss, bytes.NewReader(data), catalog.Options{Strict: strict})
	if err != nil || r.Rejected != 0 || r.Errors != nil || !r.Applied || r.Read != r.Created+r.Updated+r.Unchanged {
		s.t.Fatalf("%+v, %v", r, err)
	}
	return r
}

// all is the catalogue as lines of text, in its order.
func (s *shop) all() (lines []string) {
	s.t.Helper()
	categories, err := s.Categories(s.t.Context(), s.boss)
	if err != nil {
		s.t.Fatal(err)
	}
	names := map[id.Category]string{}
	for _, c := range categories {
		names[c.ID] = c.Name
	}
	query := catalog.Query{Limit: catalog.MaxPage}
	for {
		page, err := s.List(s.t.Context(), s.boss, query)
		if err != nil {
			s.t.Fatal(err)
		}
		for _, a := range page.Articles {
			price := "asked"
			if a.Price != nil {
				price = a.Price.Decimal()
			}
			lines = append(lines, fmt.Sprintf("%s|%s|%s|%s|%s|%s|%s", a.Reference, a.Name, names[a.Category], a.Nature, a.VAT, price, a.EAN))
			query.After = a.ID
		}
		if !page.More {
			return lines
		}
	}
}

func testImportOfATill(t *testing.T, s *shop) {
	r := s.load(s.file("testdata/boulangerie.csv"), true)
	if r.Created != 4 || !slices.Equal(r.Ignored, []string{"price_min", "price_max", "lines", "qty", "total_ttc"}) {
		t.Errorf("%+v", r)
	}
	if diff := cmp.Diff([]string{
		".|.|Divers|goods|20|0.00|",
		"PAIN DE TEST|PAIN DE TEST|Pains|goods|5.5|1.10|",
		"SANDWICH D'ESSAI|SANDWICH D'ESSAI|Sandwichs|goods|10|4.20|",
		"TARTE 6,50|TARTE 6,50|Pâtisseries|goods|5.5|6.50|",
	}, s.all()); diff != "" {
		t.Error(diff)
	}
	if acts := s.acts(); !slices.Equal(acts, []string{"catalog.imported"}) {
		t.Error(acts)
	}
}

func testImportOfASpreadsheet(t *testing.T, s *shop) {
	s.load(s.file("testdata/tableur.csv"), true)
	if diff := cmp.Diff([]string{
		"Carte cadeau|Carte cadeau|Divers|service|0|asked|",
		"5449000000996|Cola \"33 cl\"|Boissons|goods|5.5|1234.50|5449000000996",
		"3017620422003|Pâte à tartiner|Épicerie|goods|5.5|4.35|3017620422003",
	}, s.all()); diff != "" {
		t.Error(diff)
	}
}

func testImportTwiceChangesNothing(t *testing.T, s *shop) {
	for _, name := range []string{"testdata/boulangerie.csv", "testdata/tableur.csv"} {
		data := s.file(name)
		first := s.load(data, false)
		before, acts := s.all(), s.acts()
		second := s.load(data, true)
		if second.Unchanged != first.Read || second.Created+second.Updated != 0 {
			t.Errorf("%+v", second)
		}
		if diff := cmp.Diff(before, s.all()); diff != "" || len(s.acts()) != len(acts) {
			t.Error(diff)
		}
	}
}

func testImportChangesWhatTheFileSays(t *testing.T, s *shop) {
	s.load([]byte("ref,nom,rayon,tva,prix,nature,ean\nR1,Pain,Pains,5.5,1.10,bien,96385074\nR2,Atelier,Divers,20,15,service,\n"), true)
	r := s.load([]byte("nom;tva;prix;ref;ean\nPain complet;5,5;1,30;R1;\nAtelier du soir;20;15;R2;3017620422003\n"), true)
	if r.Updated != 2 {
		t.Errorf("%+v", r)
	}
	if diff := cmp.Diff([]string{
		"R2|Atelier du soir|Divers|service|20|15.00|3017620422003",
		"R1|Pain complet|Pains|goods|5.5|1.30|96385074",
	}, s.all()); diff != "" {
		t.Error("what the file does not say is lost:", diff)
	}
	// Found by its barcode, an article keeps its reference unless the file gives it another.
	s.load([]byte("ean,nom,tva,prix\n96385074,Pain complet,5.5,1.40\n"), true)
	s.load([]byte("ean,ref,nom,tva,prix\n3017620422003,R9,Atelier du soir,20,16\n"), true)
	if diff := cmp.Diff([]string{
		"R9|Atelier du soir|Divers|service|20|16.00|3017620422003",
		"R1|Pain complet|Pains|goods|5.5|1.40|96385074",
	}, s.all()); diff != "" {
		t.Error(diff)
	}
	bread, err := s.ByEAN(t.Context(), s.boss, "96385074")
	if err != nil {
		t.Fatal(err)
	}
	if prices := s.prices(bread.ID); !slices.Equal(prices, []string{"1.10", "1.30", "1.40"}) {
		t.Error(prices)
	}
	if _, err := s.Archive(t.Context(), s.boss, bread.ID); err != nil {
		t.Fatal(err)
	}
	s.load([]byte("ref,nom,tva,prix\nR1,Pain complet,5.5,1.50\n"), true)
	if again, err := s.Get(t.Context(), s.boss, bread.ID); err != nil || again.State != catalog.Archived || again.Price.Minor != 150 {
		t.Error("an archived article stays archived:", again, err)
	}
}

// badFile has each thing that can be wrong with a line, and three good lines.
const badFile = "ean,ref,nom,rayon,tva,prix,nature\n" + // 1
	",,Bon un,Pains,5.5,1.00,\n" + // 2
	",,Invalide \xe9,Pains,5.5,1.00,\n" + // 3
	",,Trop,Pains,5.5,1.00,,\n" + // 4
	",,Peu,Pains,5.5\n" + // 5
	",,\"Jamais fermé,Pains,5.5,1.00,\n" + // 6
	",,Guillemet\" dedans,Pains,5.5,1.00,\n" + // 7
	"\n" + // 8, blank
	",,Bon un,Pains,5.5,1.00,\n" + // 9, as 2
	",,Taux,Pains,19.6,1.00,\n" + // 10
	",,Taux,Pains,cinq,1.00,\n" + // 11
	",,Prix,Pains,5.5,-1.00,\n" + // 12
	",,Prix,Pains,5.5,1.005,\n" + // 13
	",,Prix,Pains,5.5,\"1,234.50\",\n" + // 14
	",,Prix,Pains,5.5,10000000,\n" + // 15
	"3017620422004,,Code,Pains,5.5,1.00,\n" + // 16
	"3.01762E+12,,Code,Pains,5.5,1.00,\n" + // 17
	",,,Pains,5.5,1.00,\n" + // 18
	",,Nature,Pains,5.5,1.00,cadeau\n" + // 19
	",,Nul\x00,Pains,5.5,1.00,\n" + // 20
	"3017620422003,,Bon deux,Pains,5.5,1.00,\n" + // 21
	"3017620422003,R7,Même code,Pains,5.5,1.00,\n" + // 22
	"96385075,,,Pains,7,-3,\n" + // 23: four faults
	",,Bon trois,,0,,service\r\n" // 24

var badLines = []string{
	"3  catalog.line_encoding",
	"4  catalog.line_columns columns=8 headings=7",
	"5  catalog.line_columns columns=5 headings=7",
	"6  catalog.line_quotes",
	"7  catalog.line_quotes",
	"9  catalog.line_duplicate first=2",
	"10 vat catalog.vat_unknown known=20, 10, 5.5, 2.1, 0, 13, 0.9, 8.5, 1.75, 1.05",
	"11 vat catalog.vat_unreadable",
	"12 price catalog.price_negative",
	"13 price catalog.price_fraction decimals=2",
	"14 price catalog.price_unreadable",
	"15 price catalog.price_too_large most=9999999.99 EUR",
	"16 ean catalog.ean",
	"17 ean catalog.ean",
	"18 name catalog.name most=120",
	"19 nature catalog.nature",
	"20 name catalog.cell most=500",
	"22  catalog.line_duplicate first=21",
	"23 name catalog.name most=120",
	"23 vat catalog.vat_unknown known=20, 10, 5.5, 2.1, 0, 13, 0.9, 8.5, 1.75, 1.05",
	"23 price catalog.price_negative",
	"23 ean catalog.ean",
}

func faults(r catalog.Result) (lines []string) {
	for _, e := range r.Errors {
		lines = append(lines, fmt.Sprintf("%d %s %s", e.Line, e.Column, e.Problem))
	}
	return lines
}

func testImportNamesEveryBadLine(t *testing.T, s *shop) {
	r, err := s.Import(t.Context(), s.boss, strings.NewReader(badFile), catalog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(badLines, faults(r)); diff != "" {
		t.Error(diff)
	}
	if !r.Applied || r.Read != 22 || r.Created != 3 || r.Rejected != 19 {
		t.Errorf("%+v", r)
	}
	if all := s.all(); len(all) != 3 {
		t.Error(all)
	}
}

func testImportStrictIsAllOrNothing(t *testing.T, s *shop) {
	r, err := s.Import(t.Context(), s.boss, strings.NewReader(badFile), catalog.Options{Strict: true})
	if diff := cmp.Diff(badLines, faults(r)); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if r.Applied || r.Read != 22 || r.Created != 0 || r.Rejected != 19 {
		t.Errorf("%+v", r)
	}
	if all, acts := s.all(), s.acts(); all != nil || acts != nil {
		t.Error(all, acts)
	}
	if categories, err := s.Categories(t.Context(), s.boss); err != nil || categories != nil {
		t.Error(categories, err)
	}
}

// testImportOverKeysOfOthers: a line whose reference is one article's and whose
// barcode another's is refused, and so is a second line for the same article.
func testImportOverKeysOfOthers(t *testing.T, s *shop) {
	s.load([]byte("ref,ean,nom,tva,prix\nR1,96385074,Un,20,1\nR2,3017620422003,Deux,20,2\n"), true)
	clash := "ref,ean,nom,tva,prix\nR1,3017620422003,Un,20,9\nR2,,Deux,20,8\nR5,3017620422003,Cinq,20,7\n"
	strict, err := s.Import(t.Context(), s.boss, strings.NewReader(clash), catalog.Options{Strict: true})
	if diff := cmp.Diff([]string{"2 ean catalog.ean_taken article=Deux", "4  catalog.line_duplicate first=2"}, faults(strict)); diff != "" || err != nil {
		t.Error(diff, err)
	}
	clash = "ref,ean,nom,tva,prix\nR1,3017620422003,Un,20,9\nR2,,Deux,20,8\n"
	lax, err := s.Import(t.Context(), s.boss, strings.NewReader(clash), catalog.Options{})
	if diff := cmp.Diff([]string{"2 ean catalog.ean_taken article=Deux"}, faults(lax)); diff != "" || err != nil {
		t.Error(diff, err)
	}
	clash = "ref,ean,nom,tva,prix\nR2,,Deux,20,8\nR5,3017620422003,Cinq,20,7\n"
	lax, err = s.Import(t.Context(), s.boss, strings.NewReader(clash), catalog.Options{})
	if diff := cmp.Diff([]string{"3  catalog.line_duplicate first=2"}, faults(lax)); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if diff := cmp.Diff([]string{"R2|Deux||goods|20|8.00|3017620422003", "R1|Un||goods|20|1.00|96385074"}, s.all()); diff != "" {
		t.Error(diff)
	}
}

func many(count int, category string) []byte {
	var b bytes.Buffer
	b.WriteString("nom;rayon;tva;prix\n")
	for i := range count {
		fmt.Fprintf(&b, "Article %05d;%s %d;20;%d,%02d\n", i, category, i%7, i/100, i%100)
	}
	return b.Bytes()
}

func testImportInChunks(t *testing.T, s *shop) {
	const count = 1203
	if r := s.load(many(count, "Rayon"), false); r.Created != count {
		t.Errorf("%+v", r)
	}
	all := s.all()
	if len(all) != count || all[count-1] != "Article 01202|Article 01202|Rayon 5|goods|20|12.02|" {
		t.Error(len(all), all[len(all)-1])
	}
	if acts := s.acts(); len(acts) != 5 {
		t.Errorf("%d chunks in the trail, want 5", len(acts))
	}
	if categories, err := s.Categories(t.Context(), s.boss); err != nil || len(categories) != 7 || categories[6].Position != 7 {
		t.Error(categories, err)
	}
}

// testImportsAtOnce: two clerks import the same file. Each line goes in once; a
// line that the other took first is named, and a third import finds nothing to do.
func testImportsAtOnce(t *testing.T, s *shop) {
	const count = 600
	data := many(count, "Rayon")
	var results [2]catalog.Result
	var wait sync.WaitGroup
	for i := range results {
		wait.Go(func() {
			var err error
			if results[i], err = s.Import(context.Background(), s.boss, bytes.NewReader(data), catalog.Options{}); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if made := results[0].Created + results[1].Created; made != count {
		t.Errorf("%d were made: %+v", made, results)
	}
	for _, r := range results {
		if r.Read != r.Created+r.Updated+r.Unchanged+r.Rejected {
			t.Errorf("%+v", r)
		}
	}
	if r := s.load(data, true); r.Unchanged != count {
		t.Errorf("%+v", r)
	}
	for _, a := range s.page() {
		if prices := s.prices(a.ID); len(prices) != 1 {
			t.Fatal(a, prices)
		}
	}
}

// testStrictImportsAtOnce: of two clerks who import the same file strictly, one
// puts all of it in; the other finds it there, or is refused as a whole.
func testStrictImportsAtOnce(t *testing.T, s *shop) {
	const count = 600
	data := many(count, "Rayon")
	var results [2]catalog.Result
	var wait sync.WaitGroup
	for i := range results {
		wait.Go(func() {
			var err error
			results[i], err = s.Import(context.Background(), s.boss, bytes.NewReader(data), catalog.Options{Strict: true})
			if err != nil {
				want(t, err, "catalog.changed_meanwhile")
			}
		})
	}
	wait.Wait()
	first, second := results[0], results[1]
	if first.Created < second.Created {
		first, second = second, first
	}
	if first.Created != count || second.Created != 0 || second.Applied && second.Unchanged != count {
		t.Errorf("%+v", results)
	}
	if acts := s.acts(); !slices.Equal(acts, []string{"catalog.imported"}) {
		t.Error(acts)
	}
	if r := s.load(data, true); r.Unchanged != count {
		t.Errorf("%+v", r)
	}
}

func testStrictImportIsBounded(t *testing.T, s *shop) {
	_, err := s.Import(t.Context(), s.boss, bytes.NewReader(many(catalog.MaxStrictLines+1, "Rayon")), catalog.Options{Strict: true})
	want(t, err, "catalog.import_too_many_lines")
	if all := s.all(); all != nil {
		t.Errorf("%d articles went in", len(all))
	}
}

func (s *shop) page() []catalog.Article {
	s.t.Helper()
	page, err := s.List(s.t.Context(), s.boss, catalog.Query{Limit: 50})
	if err != nil {
		s.t.Fatal(err)
	}
	return page.Articles
}

// shared is a file of the data beside the repository, or skips the test.
func (s *shop) shared(t *testing.T, path ...string) []byte {
	t.Helper()
	name := filepath.Join(append([]string{"..", "..", "shared", "data"}, path...)...)
	data, err := os.ReadFile(name)
	if err != nil {
		t.Skip("the data are not beside the repository: ", name)
	}
	return data
}

func testImportOfTheBakery(t *testing.T, s *shop) {
	data := s.shared(t, "pos", "french_bakery", "articles.csv")
	if r := s.load(data, true); r.Created != 149 {
		t.Errorf("%+v", r)
	}
	all := s.all()
	if all[0] != ".|.|Divers|goods|20|0.00|" || !slices.Contains(all, "BAGUETTE|BAGUETTE|Pains|goods|5.5|0.90|") ||
		!slices.Contains(all, "PLATPREPARE5,50|PLATPREPARE5,50|Sandwichs et traiteur|goods|10|5.50|") {
		t.Error(all)
	}
	if r := s.load(data, true); r.Unchanged != 149 {
		t.Errorf("%+v", r)
	}
}

func testImportOfTheProductsWithBarcodes(t *testing.T, s *shop) {
	data := s.shared(t, "catalogue", "products_ean13.csv")
	if r := s.load(data, true); r.Created != 519 {
		t.Errorf("%+v", r)
	}
	if a, err := s.ByEAN(t.Context(), s.user, "3250391112869"); err != nil || a.Name != "Eau minérale naturelle gazeuse" || a.Price.Minor != 185 {
		t.Error(a, err)
	}
	if r := s.load(data, true); r.Unchanged != 519 {
		t.Errorf("%+v", r)
	}
}

// endless is a file that never ends.
type endless struct{ line string }

func (e endless) Read(p []byte) (int, error) {
	for n := 0; ; {
		c := copy(p[n:], e.line)
		if n += c; c < len(e.line) {
			return n, nil
		}
	}
}

func testImportRefusesTheFileAsAWhole(t *testing.T, s *shop) {
	const header = "nom,tva,prix\n"
	for name, c := range map[string]struct {
		code string
		file io.Reader
	}{
		"empty":            {"catalog.import_empty", strings.NewReader("")},
		"blank":            {"catalog.import_empty", strings.NewReader("\n \n,,,\n")},
		"UTF-16":           {"catalog.import_encoding", strings.NewReader("\xff\xfen\x00o\x00m\x00\n")},
		"Latin-1 header":   {"catalog.import_encoding", strings.NewReader("d\xe9signation,tva,prix\n")},
		"no headings":      {"catalog.import_columns", strings.NewReader("Baguette,5.5,0.90\n")},
		"no VAT":           {"catalog.import_columns", strings.NewReader("nom,prix\nBaguette,0.90\n")},
		"twice the price":  {"catalog.import_column_twice", strings.NewReader("nom,tva,prix,prix ttc\n")},
		"wide":             {"catalog.import_too_many_columns", strings.NewReader("nom,tva,prix" + strings.Repeat(",x", 200) + "\n")},
		"long":             {"catalog.import_too_many_lines", strings.NewReader(header + strings.Repeat("a,20,1\n", 50_001))},
		"large":            {"catalog.import_too_large", io.MultiReader(strings.NewReader(header), endless{strings.Repeat("x", 5000) + "\n"})},
		"one endless line": {"catalog.import_too_large", io.MultiReader(strings.NewReader(header), endless{"x"})},
		"blank for ever":   {"catalog.import_too_many_lines", io.MultiReader(strings.NewReader(header), endless{"\n"})},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := s.Import(t.Context(), s.boss, c.file, catalog.Options{})
			want(t, err, c.code)
		})
	}
	if all := s.all(); all != nil {
		t.Error(all)
	}
	broken := io.MultiReader(strings.NewReader(header+"Pain,5.5,1\n"), failing{})
	if _, err := s.Import(t.Context(), s.boss, broken, catalog.Options{}); err != io.ErrUnexpectedEOF {
		t.Error("an upload that breaks off:", err)
	}
	long := header + "Pain,5.5,1\n" + strings.Repeat("x", 70_000) + "\nTarte,5.5,1\n"
	r, err := s.Import(t.Context(), s.boss, strings.NewReader(long), catalog.Options{})
	if diff := cmp.Diff([]string{"3  catalog.line_too_long most=65536"}, faults(r)); diff != "" || err != nil || r.Created != 2 {
		t.Error("a line that is too long spoils its neighbours:", diff, r, err)
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func testImportCountsMoreThanItNames(t *testing.T, s *shop) {
	count := catalog.MaxNamedErrors + 123
	r, err := s.Import(t.Context(), s.boss, strings.NewReader("nom,tva,prix\n"+strings.Repeat("x,99,1\n", count)), catalog.Options{})
	if err != nil || r.Rejected != count || len(r.Errors) != catalog.MaxNamedErrors {
		t.Error(r.Rejected, len(r.Errors), err)
	}
}

func testImportOfAnotherMerchantTouchesNobody(t *testing.T, s *shop) {
	s.load(s.file("testdata/tableur.csv"), true)
	before := s.all()
	other := newShop(t, s.db)
	if r := other.load(bytes.ReplaceAll(s.file("testdata/tableur.csv"), []byte("4,35"), []byte("9,99")), true); r.Created != 3 {
		t.Errorf("%+v", r)
	}
	if diff := cmp.Diff(before, s.all()); diff != "" {
		t.Error(diff)
	}
	article := other.page()[0]
	_, err := s.Get(t.Context(), s.boss, article.ID)
	want(t, err, "catalog.article_not_found")
	_, err = s.forSale(article.ID)
	want(t, err, "catalog.not_for_sale")
	// Under an id of somebody else's, one's own article is made.
	article.Name, article.Reference, article.EAN, article.Category = "Le mien", "mien", "", ""
	if _, created, err := s.Put(t.Context(), s.boss, article); err != nil || !created {
		t.Error(created, err)
	}
}
