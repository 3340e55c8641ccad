package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"encaisse/base/db"
	"encaisse/base/problem"
	"encaisse/fiscal"
	"encaisse/report"
)

type verifyCmd struct {
	jsonFlag
	DB          string `name:"db" help:"Database: sqlite:FILE or postgres://…" required:""`
	Key         string `help:"File of public keys to trust instead of those the database holds, one a line (init writes it beside the master key)." type:"existingfile"`
	Checkpoints string `help:"File of checkpoints kept outside the database." type:"existingfile"`
}

// garbagePercent lets garbage grow to four times what is in use before it is
// collected: verifying makes much and keeps little, so that costs 11 MiB and
// saves a tenth of the CPU.
const garbagePercent = 400

// verified is what verify prints.
type verified struct {
	Merchants   int      `json:"merchants"`
	Chains      int      `json:"chains"`
	Records     int64    `json:"records"`
	Checkpoints int      `json:"checkpoints"`
	Seconds     float64  `json:"seconds"`
	PeakMiB     int64    `json:"peak_mib"`
	OK          bool     `json:"ok"`
	FirstError  string   `json:"first_error"`
	Warnings    []string `json:"warnings"`
}

func (c *verifyCmd) Run(ctx context.Context, o output) error {
	keys, err := readKeys(c.Key)
	if err != nil {
		return err
	}
	checkpoints, err := readCheckpoints(c.Checkpoints)
	if err != nil {
		return err
	}
	d, err := db.Open(ctx, c.DB, db.Options{ReadOnly: true, Logger: quiet(o.err)})
	if err != nil {
		return err
	}
	defer d.Close()
	debug.SetGCPercent(garbagePercent)
	began := time.Now()
	proof, err := report.Verify(ctx, d, keys, checkpoints)
	if err != nil {
		return err
	}
	result := verified{
		Merchants: proof.Merchants, Chains: proof.Chains, Records: proof.Records, Checkpoints: proof.Checkpoints,
		Seconds: time.Since(began).Seconds(), PeakMiB: peakMiB(), OK: proof.Defect == nil, Warnings: c.warnings(proof),
	}
	if proof.Defect != nil {
		result.FirstError = proof.Defect.Error()
	}
	if err := o.done(c.JSON, result, result.people); err != nil {
		return err
	}
	if !result.OK {
		return errDiscrepancy
	}
	return nil
}

func (r verified) people(w io.Writer) {
	fmt.Fprintf(w, "%d records in %d chains, %d checkpoints, %.1f s, %d MiB\n", r.Records, r.Chains, r.Checkpoints, r.Seconds, r.PeakMiB)
	for _, text := range r.Warnings {
		fmt.Fprintln(w, "note:", text)
	}
	if r.OK {
		fmt.Fprintln(w, "Everything that was sealed agrees.")
	} else {
		fmt.Fprintln(w, "DISCREPANCY:", r.FirstError)
	}
}

// warnings says plainly what this verification cannot vouch for.
func (c *verifyCmd) warnings(proof report.Proof) []string {
	list := []string{}
	if c.Checkpoints == "" {
		list = append(list, "no --checkpoints file was given: nothing outside the database vouches for the last records, "+
			"so a tail dropped consistently from every table would not be seen")
	} else if proof.Checkpoints == 0 && proof.Defect == nil {
		list = append(list, "the --checkpoints file names none of these chains: nothing outside the database vouches for them")
	}
	if c.Key == "" {
		list = append(list, "no --key file was given: the public keys were taken from the database itself, "+
			"so records signed anew with another key would not be seen")
	}
	for _, m := range proof.Live {
		list = append(list, fmt.Sprintf("%s sold meanwhile: rows that belong to no sealed record were not counted", m))
	}
	return list
}

func readKeys(path string) ([]string, error) {
	if path == "" {
		return nil, nil
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var keys []string
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if line := strings.TrimSpace(lines.Text()); line != "" {
			keys = append(keys, line)
		}
	}
	if len(keys) == 0 {
		return nil, problem.New(problem.Invalid, "cmd.no_key").At("--key")
	}
	return keys, nil
}

func readCheckpoints(path string) ([]fiscal.Checkpoint, error) {
	if path == "" {
		return nil, nil
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	list, err := fiscal.ReadCheckpoints(file)
	if err != nil {
		return nil, problem.New(problem.Invalid, "cmd.checkpoints").At("--checkpoints").Because(err)
	}
	return list, nil
}
