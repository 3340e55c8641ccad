package sim

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const (
	// envProgram names a program to test instead of one built from the source.
	envProgram = "ENCAISSE_PROGRAM"
	envSeed    = "ENCAISSE_SIM_SEED"
	envSoak    = "ENCAISSE_SOAK"

	programPackage = "encaisse/cmd/encaisse"
)

// Main builds the program once for all tests of a package, runs them, and ends
// the process. The program is built without the race detector: it is killed,
// timed and loaded here, and its own packages are raced in their own tests.
func Main(m *testing.M) {
	if os.Getenv(envProgram) != "" {
		os.Exit(m.Run())
	}
	dir, err := os.MkdirTemp("", "encaisse-program")
	if err == nil {
		err = build(filepath.Join(dir, "encaisse"))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "sim:", err)
		os.Exit(1)
	}
	code := m.Run()
	if err := os.RemoveAll(dir); err != nil {
		fmt.Fprintln(os.Stderr, "sim:", err)
	}
	os.Exit(code)
}

func build(program string) error {
	output, err := exec.Command("go", "build", "-o", program, programPackage).CombinedOutput()
	if err != nil {
		return fmt.Errorf("build %s: %w\n%s", programPackage, err, output)
	}
	return os.Setenv(envProgram, program)
}

// Program is the path of the program under test.
func Program() string { return os.Getenv(envProgram) }

// Soak tells whether the long versions are asked for.
func Soak() bool { return os.Getenv(envSoak) != "" }

// Seed makes the source of everything random in a test and prints its seed.
func Seed(t testing.TB) *rand.Rand {
	t.Helper()
	seed := rand.Uint64()
	if text := os.Getenv(envSeed); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("%s: %v", envSeed, err)
		}
	}
	t.Logf("seed %d (repeat with %s=%d)", seed, envSeed, seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// Output is what a run of the program left.
type Output struct {
	Code   int // -1: killed
	Stdout string
	Stderr string
}

// Last reads the last line of standard output, which must be one JSON object.
func (o Output) Last(t testing.TB, into any) {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(o.Stdout, "\n"), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), into); err != nil {
		t.Fatalf("the last line is no JSON object: %v\n%s\n%s", err, o.Stdout, tail(o.Stderr))
	}
}

// Run runs the program to its end. It does not run past the end of the test.
func Run(t testing.TB, args ...string) Output {
	t.Helper()
	command, stdout, stderr := command(t, args...)
	err := command.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("encaisse %s: %v", args[0], err)
	}
	return Output{command.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// MustRun is Run for a command that has to succeed.
func MustRun(t testing.TB, args ...string) Output {
	t.Helper()
	out := Run(t, args...)
	if out.Code != 0 {
		t.Fatalf("encaisse %s: exit code %d\n%s\n%s", strings.Join(args, " "), out.Code, out.Stdout, tail(out.Stderr))
	}
	return out
}

func command(t testing.TB, args ...string) (c *exec.Cmd, stdout, stderr *bytes.Buffer) {
	stdout, stderr = &bytes.Buffer{}, &bytes.Buffer{}
	c = exec.CommandContext(t.Context(), Program(), args...)
	c.Env, c.Stdout, c.Stderr = Environment(), stdout, stderr
	return c, stdout, stderr
}

// Environment is this process's without what would be a flag of the program:
// every ENCAISSE_… is.
func Environment() []string {
	var env []string
	for _, entry := range os.Environ() {
		if !strings.HasPrefix(entry, "ENCAISSE_") {
			env = append(env, entry)
		}
	}
	return env
}

// tailBytes is how much of a log a failed test shows.
const tailBytes = 4000

func tail(log string) string {
	if len(log) <= tailBytes {
		return log
	}
	return "…" + log[len(log)-tailBytes:]
}
