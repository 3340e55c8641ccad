package merchant_test

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"testing"

	"encaisse/base/problem"
	"encaisse/merchant"
)

func TestIdentifiers(t *testing.T) {
	if ran := checkVectors(t, "testdata/identifiers.csv"); ran < 15 {
		t.Errorf("%d vectors of our own, 15 at least", ran)
	}
}

func TestIdentifiersAgreeWithPublishedVectors(t *testing.T) {
	path := filepath.Join("..", "..", "shared", "data", "identifiers", "vectors.csv")
	if _, err := os.Stat(path); err != nil {
		t.Skip("the published vectors are not beside the repository: ", path)
	}
	if ran := checkVectors(t, path); ran < 15 {
		t.Errorf("%d vectors, 15 at least", ran)
	}
}

// checkVectors holds each SIREN and SIRET of a file against what is expected of it.
func checkVectors(t *testing.T, path string) (ran int) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	records, err := csv.NewReader(file).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, record := range records[1:] {
		kind, value, valid := record[0], record[1], record[2] == "valid"
		var err error
		switch kind {
		case "siren":
			_, err = merchant.ParseSIREN(value)
		case "siret":
			_, err = merchant.ParseSIRET(value)
		default:
			continue
		}
		ran++
		if valid != (err == nil) || err != nil && !problem.Is(err, "merchant."+kind) {
			t.Errorf("%s %q (%s): %v", kind, value, record[3], err)
		}
	}
	return ran
}

func TestIdentifiersAreKeptWithoutSpaces(t *testing.T) {
	if siren, err := merchant.ParseSIREN("732\u202f829\u00a0320"); siren != "732829320" || err != nil {
		t.Errorf("%q, %v", siren, err)
	}
}

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"Boulangerie":             "Boulangerie",
		"  Café\tdu \u00a0Port  ": "Café du Port",
		"Cafe\u0301":              "Café",
		".":                       ".",
		"👨\u200d🍳":                "👨\u200d🍳",
		"":                        "",
		" \t ":                    "",
		"deux\nlignes":            "",
		"nul\x00":                 "",
		"\xff":                    "",
		"a\u202eb":                "", // turns the direction of what follows
		"\ufeffBOM":               "",
		"treize lettr.":           "",
	} {
		if got, ok := merchant.Clean(in, 12); got != want && ok || ok != (want != "") {
			t.Errorf("Clean(%q) = %q, %v, want %q", in, got, ok, want)
		}
	}
}
