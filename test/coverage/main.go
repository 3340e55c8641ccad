// Command coverage says which of the rows that Encaisse promises are proved,
// and writes it to docs/coverage.md.
//
// A row, UPM-080 for one, is proved when a test whose name carries its id
// (TestUPM080_refund, or a subtest UPM080_refund) ran, passed, skipped nothing,
// and lives in a package that goes through HTTP, the command line, a socket or
// a browser. A test elsewhere counts as "at unit level". A test that shows only
// a part of its row says so by logging "coverage: UPM-080 partial: reason".
//
// It reads what `go test -json` wrote (-json FILE), or runs test/runner itself.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"encaisse/test/stream"
)

// target is where the page goes, under the project's root.
const target = "docs/coverage.md"

func main() {
	json := flag.String("json", "", "what go test -json wrote; without it every test is run first")
	flag.Parse()
	if err := run(*json); err != nil {
		fmt.Fprintln(os.Stderr, "coverage:", err)
		os.Exit(1)
	}
}

func run(json string) error {
	if _, err := os.Stat("go.mod"); err != nil {
		return fmt.Errorf("run this in the project's root: %w", err)
	}
	if json == "" {
		dir, err := os.MkdirTemp("", "coverage")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		json = filepath.Join(dir, "test.json")
		if err := runTests(json); err != nil {
			return err
		}
	}
	in, err := os.Open(json)
	if err != nil {
		return err
	}
	defer in.Close()
	result := stream.NewRun()
	if err := result.Read(in, nil, nil); err != nil {
		return err
	}
	if result.Count(stream.Passed) == 0 {
		return fmt.Errorf("%s holds no test that passed", json)
	}
	rows, err := parseRows(rowsText)
	if err != nil {
		return err
	}
	proof, err := judge(rows, result)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(target, []byte(page(rows, proof)), 0o644); err != nil {
		return err
	}
	fmt.Printf("%s: %d of %d rows proved\n", target, len(proof.of(rows, Proved)), len(rows))
	return nil
}

func runTests(json string) error {
	cmd := exec.Command("go", "run", "./test/runner", "-json", json)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	cmd.Env = append(os.Environ(), "ENCAISSE_FUZZTIME=0s")
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("the tests failed, %s stays as it was: %w", target, err)
	}
	return nil
}
