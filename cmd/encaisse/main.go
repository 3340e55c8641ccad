// Command encaisse is the whole platform in one binary: see README.md.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // a site's zone must not depend on what the machine has installed

	"github.com/alecthomas/kong"

	"encaisse/base/i18n"
	"encaisse/base/problem"
)

// version is set by the build; a build of one's own says so.
var version = "0.0.0-dev"

// exit codes: 1 a refusal or a discrepancy, 2 a command line that does not read.
const (
	exitRefused = 1
	exitUsage   = 2
)

// cli is the command line. Every flag may also be given in the environment as
// ENCAISSE_ and its name.
type cli struct {
	Lang string `help:"Language of messages: fr or en." default:"en" enum:"fr,en"`

	Init     initCmd     `cmd:"" help:"Make the first merchant of a database: site, registers, administrator, API key."`
	Serve    serveCmd    `cmd:"" help:"Serve the API."`
	Demo     demoCmd     `cmd:"" help:"Serve a bakery made for trying things out."`
	Replay   replayCmd   `cmd:"" help:"Replay the sales of another till's export on the history register."`
	Verify   verifyCmd   `cmd:"" help:"Derive everything that was sealed again and name the first discrepancy."`
	Bench    benchCmd    `cmd:"" help:"Measure against the bare engine in the same run."`
	Acquirer acquirerCmd `cmd:"" help:"Run the simulated acquirer host and issuer alone: no bank, no money."`
	Terminal terminalCmd `cmd:"" help:"Run an emulated card reader alone, with its page: no card, no money."`
	Version  versionCmd  `cmd:"" help:"Print the version."`
}

// output is where a command says what it did: for people, or with --json as one
// object on the last line.
type output struct {
	out, err io.Writer
	log      *slog.Logger
}

// done prints the result: v as JSON, or what people prints.
func (o output) done(asJSON bool, v any, people func(w io.Writer)) error {
	if asJSON {
		return json.NewEncoder(o.out).Encode(v)
	}
	people(o.out)
	return nil
}

// quiet logs errors alone: a long command is its own measure of what is slow.
func quiet(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelError}))
}

// jsonFlag is the --json every command has.
type jsonFlag struct {
	JSON bool `help:"Print one JSON object on the last line." name:"json"`
}

// errDiscrepancy ends verify with exit code 1 once it has said what it found.
var errDiscrepancy = errors.New("discrepancy")

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

func run(args []string, stdout, stderr io.Writer) int {
	var c cli
	parser, err := kong.New(&c, kong.Name("encaisse"),
		kong.Description("Encaisse: get paid, and know where the money is."),
		kong.UsageOnError(), kong.DefaultEnvars("ENCAISSE"), kong.Writers(stdout, stderr), kong.Exit(func(int) { panic(exitUsage) }))
	if err != nil {
		fmt.Fprintln(stderr, "encaisse:", err)
		return exitUsage
	}
	code, parsed := parse(parser, args, stderr)
	if parsed == nil {
		return code
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	o := output{out: stdout, err: stderr, log: slog.New(slog.NewTextHandler(stderr, nil))}
	parsed.BindTo(ctx, (*context.Context)(nil))
	switch err := parsed.Run(o); {
	case err == nil:
		return 0
	case errors.Is(err, errDiscrepancy):
		return exitRefused
	default:
		fmt.Fprintln(stderr, "encaisse:", sentence(c.Lang, err))
		return exitRefused
	}
}

// parse reads the command line; --help and mistakes end here.
func parse(parser *kong.Kong, args []string, stderr io.Writer) (code int, parsed *kong.Context) {
	defer func() {
		if r := recover(); r != nil { // kong ends --help through Exit
			code, parsed = 0, nil
		}
	}()
	parsed, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintln(stderr, "encaisse:", err)
		return exitUsage, nil
	}
	return 0, parsed
}

// sentence says an error in words: those of the catalogue where it has them.
func sentence(lang string, err error) string {
	p := problem.As(err)
	catalogue, loadErr := i18n.New()
	if p == nil || loadErr != nil || p.Kind == problem.Internal || !catalogue.Has("problem."+p.Code) {
		return err.Error()
	}
	text := catalogue.Text(i18n.Language(lang), "problem."+p.Code, p.Args)
	if p.Field != "" {
		text = p.Field + ": " + text
	}
	if cause := p.Unwrap(); cause != nil {
		text += " (" + sentence(lang, cause) + ")"
	}
	return text
}

type versionCmd struct{}

func (versionCmd) Run(o output) error {
	fmt.Fprintln(o.out, "encaisse", version)
	return nil
}
