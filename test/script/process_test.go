package script

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"encaisse/test/sim"
)

// requestLimit is how long an answer may take.
const requestLimit = 2 * time.Minute

// world is what a transcript has beside its folder and its variables.
type world struct {
	t       testing.TB
	running map[string]*sim.Process
}

type worldKey struct{}

func worldOf(ts *testscript.TestScript) *world { return ts.Value(worldKey{}).(*world) }

// lastObject reads the JSON object on the last line of a file.
func lastObject(ts *testscript.TestScript, file string) map[string]any {
	lines := strings.Split(strings.TrimSuffix(ts.ReadFile(file), "\n"), "\n")
	var object map[string]any
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &object); err != nil {
		ts.Fatalf("the last line of %s is no JSON object: %v", file, err)
	}
	return object
}

// start runs the program beside the transcript and goes on once it has printed
// what is waited for, which is then in NAME.out: start NAME REGEXP ARGUMENT…
func start(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 3 {
		ts.Fatalf("usage: start NAME REGEXP ARGUMENT…")
	}
	said, err := regexp.Compile(args[1])
	ts.Check(err)
	w := worldOf(ts)
	process := sim.StartIn(w.t, ts.MkAbs("."), args[2:]...)
	w.running[args[0]] = process
	sim.Until(w.t, func() bool {
		select {
		case <-process.Ended():
			ts.Fatalf("it ended with code %d: %s\n%s", process.Code(), process.Stdout(), process.Stderr())
		default:
		}
		return said.MatchString(process.Stdout())
	})
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".out"), []byte(process.Stdout()), 0o600))
}

// end sends SIGTERM to what start started, wants it to end well, and leaves
// what it logged in NAME.err: end NAME. (stop is testscript's own: it ends the transcript.)
func end(ts *testscript.TestScript, _ bool, args []string) {
	process := worldOf(ts).running[args[0]]
	process.Stop()
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".err"), []byte(process.Stderr()), 0o600))
}

// curl does what the program of that name does with -X, -H, -d and an address,
// and fails where the server refuses.
func curl(ts *testscript.TestScript, neg bool, args []string) {
	request, err := readCurl(args)
	ts.Check(err)
	client := http.Client{Timeout: requestLimit}
	defer client.CloseIdleConnections()
	response, err := client.Do(request)
	if err != nil {
		if !neg {
			ts.Fatalf("%v", err)
		}
		return
	}
	defer response.Body.Close()
	_, err = io.Copy(ts.Stdout(), response.Body)
	ts.Check(err)
	if refused := response.StatusCode >= http.StatusBadRequest; refused != neg {
		ts.Fatalf("status %s", response.Status)
	}
}

// until asks an address again and again until its answer matches, and goes on
// with that answer: until REGEXP ADDRESS
func until(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: until REGEXP ADDRESS")
	}
	wanted, err := regexp.Compile(args[0])
	ts.Check(err)
	client := http.Client{Timeout: requestLimit}
	defer client.CloseIdleConnections()
	var text []byte
	sim.Until(worldOf(ts).t, func() bool {
		response, err := client.Get(args[1])
		ts.Check(err)
		defer response.Body.Close()
		text, err = io.ReadAll(response.Body)
		ts.Check(err)
		return wanted.Match(text)
	})
	_, err = ts.Stdout().Write(text)
	ts.Check(err)
}

func readCurl(args []string) (*http.Request, error) {
	method, address, body := http.MethodGet, "", ""
	header := make(http.Header)
	for len(args) > 0 {
		word := args[0]
		args = args[1:]
		if !strings.HasPrefix(word, "-") || len(args) == 0 {
			address = word
			continue
		}
		switch word {
		case "-X":
			method = args[0]
		case "-H":
			name, value, _ := strings.Cut(args[0], ": ")
			header.Add(name, value)
		case "-d":
			body = args[0]
		}
		args = args[1:]
	}
	request, err := http.NewRequest(method, address, strings.NewReader(body))
	if err == nil {
		request.Header = header
	}
	return request, err
}

var curlLine = regexp.MustCompile(`(?s)\bcurl (-X .*?[^\\])\n`)

// printed runs the curl line that a program printed, as a shell would: printed FILE
func printed(ts *testscript.TestScript, neg bool, args []string) {
	found := curlLine.FindStringSubmatch(ts.ReadFile(args[0]))
	if found == nil {
		ts.Fatalf("no line with curl in %s", args[0])
	}
	curl(ts, neg, shellWords(found[1]))
}

// shellWords splits a command line whose only quotes are single ones.
func shellWords(line string) (words []string) {
	line = strings.ReplaceAll(line, "\\\n", " ")
	for i, part := range strings.Split(line, "'") {
		if i%2 == 1 {
			words = append(words, part)
		} else {
			words = append(words, strings.Fields(part)...)
		}
	}
	return words
}
