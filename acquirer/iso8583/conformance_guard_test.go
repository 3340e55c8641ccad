package iso8583_test

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"encaisse/acquirer"
)

// spoil is the environment variable with which TestConformanceCanFail starts
// this test again with a connector that does something wrong.
const spoil = "ENCAISSE_TEST_SPOIL"

// spoiled is the connector, with one thing wrong if that was asked for.
func spoiled(c acquirer.Connector) acquirer.Connector {
	if how := os.Getenv(spoil); how != "" {
		return &wrong{Connector: c, how: how}
	}
	return c
}

// wrong is a connector as somebody might write it.
type wrong struct {
	acquirer.Connector
	how string

	mu    sync.Mutex
	first *acquirer.Outcome
}

func (w *wrong) Authorise(ctx context.Context, a acquirer.Authorisation) acquirer.Outcome {
	out := w.Connector.Authorise(ctx, a)
	switch w.how {
	case "guesses that it did not happen":
		if out.Result == acquirer.Unknown {
			out.Result = acquirer.NotPerformed
		}
	case "takes no link for no answer":
		if out.Result == acquirer.NotPerformed {
			out.Result = acquirer.Unknown
		}
	case "says the number":
		data, err := a.Contract.Key.Open(a.Card.Envelope, a.About)
		if err == nil {
			out.Detail = "approved " + data.PAN
		}
	case "asks again under a new number":
		a.Number += 100_000
		out = w.Connector.Authorise(ctx, a)
	case "gives one customer's answer to another":
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.first != nil {
			return *w.first
		}
		w.first = &out
	case "takes a refusal for a yes":
		if out.Result == acquirer.Declined {
			out.Result = acquirer.Approved
		}
	}
	return out
}

func (w *wrong) Reverse(ctx context.Context, r acquirer.Reversal) acquirer.Outcome {
	if w.how == "reverses nothing" {
		return acquirer.Outcome{Result: acquirer.Approved}
	}
	return w.Connector.Reverse(ctx, r)
}

func (w *wrong) Submit(ctx context.Context, b acquirer.Batch) acquirer.Receipt {
	switch w.how {
	case "believes in its batch":
		return acquirer.Receipt{Result: acquirer.Approved}
	case "leaves out a line":
		b.Lines = b.Lines[:max(0, len(b.Lines)-1)]
	}
	return w.Connector.Submit(ctx, b)
}

// TestConformanceCanFail: each of these connectors fails the case that is there
// to find it.
func TestConformanceCanFail(t *testing.T) {
	if os.Getenv(spoil) != "" {
		t.Skip("this is the spoiled one")
	}
	for how, found := range map[string]string{
		"guesses that it did not happen":         "no_answer",
		"takes no link for no answer":            "link_cut_before",
		"says the number":                        "approve",
		"asks again under a new number":          "same_again",
		"gives one customer's answer to another": "concurrency",
		"takes a refusal for a yes":              "decline",
		"reverses nothing":                       "reversal",
		"believes in its batch":                  "batch",
		"leaves out a line":                      "batch",
	} {
		t.Run(how, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestConformance$/^bcd$/^"+found+"$")
			cmd.Env = append(os.Environ(), spoil+"="+how)
			out, err := cmd.CombinedOutput()
			if err == nil || !strings.Contains(string(out), "--- FAIL: TestConformance/bcd/"+found) {
				t.Errorf("%s does not find it (%v):\n%s", found, err, out)
			}
		})
	}
}
