package emulator

import (
	"context"
	cryptorand "crypto/rand"
	"encoding/binary"
	"log/slog"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"encaisse/base/clock"
	"encaisse/base/id"
	"encaisse/base/problem"
	"encaisse/terminal"
)

// DefaultModel is the name of the emulated reader.
const DefaultModel = "EMU1"

// Software is the version a reader tells.
const Software = "1.0"

const (
	// sayAgain is after how long a final word that nobody acknowledged is said again.
	sayAgain = 5 * time.Second
	// showResult is how long a result stays on the screen.
	showResult = 5 * time.Second
	maxSerial  = 20
)

// Authoriser authorises in the place of a hub: for what a local endpoint asks.
type Authoriser interface {
	// Authorise answers a request. An error means that the host could not be asked.
	Authorise(ctx context.Context, r terminal.Request) (terminal.Answer, error)
}

// Options are what a reader is made of.
type Options struct {
	Clock    clock.Clock // nil: the machine's
	Log      *slog.Logger
	Protocol terminal.Protocol
	Hub      string // base URL of the hub, http or https; empty: none
	Model    string // empty: DefaultModel
	Serial   string // empty: drawn, or what the state file says
	State    string // file that survives a restart; empty: nothing does
	Seed     uint64 // of what is drawn at random; 0: drawn itself
	Rack     *Rack  // nil: one of its own

	// Parameters are what it works with where no hub gives them.
	Parameters *terminal.Parameters
	// Authoriser answers for the local endpoint; nil: there is none.
	Authoriser Authoriser
	// SleepAfter is after how long without anything to do it goes to sleep; 0: never by itself.
	SleepAfter time.Duration
	// Dial opens the connection to the hub; nil: TCP.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Emulator is a card reader. Its methods may be called by many goroutines.
type Emulator struct {
	clock      clock.Clock
	log        *slog.Logger
	rack       *Rack
	authoriser Authoriser
	sleepAfter time.Duration
	seed       uint64
	link       *link
	model      string
	serial     string

	ctx    context.Context
	cancel context.CancelFunc
	work   sync.WaitGroup

	mu        sync.Mutex
	closed    bool
	memory    *memory
	current   *dialogue
	pending   *terminal.Message // the request for authorisation that has no answer yet
	slot      slot
	screen    Screen
	result    *Screen // shown when the card is out
	standing  Hand    // acts in every dialogue, where Always
	always    bool
	next      *Hand // acts in the next one alone
	scenario  string
	typed     int            // codes typed by the hand in this dialogue
	presented int            // cards presented by it
	zone      *time.Location // of the parameters, read once
	zoneName  string
	menu      bool
	device    device
	roll      roll
	lastSlip  []string
	faults    faults
	random    *rand.Rand
	pace      time.Duration
	numbered  int64 // of the last message without answer
	changes   uint64
	changed   chan struct{}
	idle      clock.Timer
	clearing  clock.Timer
}

// slot is the card in the reader.
type slot struct {
	card *plastic
	used bool // it paid already: it must come out before the next payment
}

// New makes a reader and reads its state. It is switched on by [Emulator.Start].
func New(o Options) (*Emulator, error) {
	e := &Emulator{
		clock: o.Clock, log: o.Log, rack: o.Rack, authoriser: o.Authoriser, sleepAfter: o.SleepAfter, seed: o.Seed,
		changed: make(chan struct{}), faults: faults{struck: map[Fault]int{}}, device: newDevice(), roll: newRoll(),
	}
	if e.clock == nil {
		e.clock = clock.Real{}
	}
	if e.log == nil {
		e.log = slog.New(slog.DiscardHandler)
	}
	if e.rack == nil {
		e.rack = NewRack()
	}
	if e.seed == 0 {
		var b [8]byte
		cryptorand.Read(b[:]) // never fails: crypto/rand aborts the program instead
		e.seed = binary.BigEndian.Uint64(b[:])
	}
	e.pace = naturalPace
	e.random = rand.New(rand.NewPCG(e.seed, 0))
	var err error
	if e.memory, err = openMemory(o.State, e.clock.Now()); err != nil {
		return nil, err
	}
	if err := e.identify(o); err != nil {
		return nil, err
	}
	if o.Parameters != nil {
		e.memory.parameters = o.Parameters
	}
	e.rack.restore(e.memory.chips)
	e.ctx, e.cancel = context.WithCancel(context.Background())
	e.link = newLink(e, o)
	return e, nil
}

// identify settles model, serial number and hub: those of the state file stay.
func (e *Emulator) identify(o Options) error {
	who := e.memory.identity
	if o.Model != "" || who.Model == "" {
		who.Model = cmpOr(o.Model, DefaultModel)
	}
	if o.Serial != "" {
		who.Serial = o.Serial
	}
	if who.Serial == "" {
		who.Serial = strconv.FormatUint(100_000_000+e.random.Uint64N(900_000_000), 10)
	}
	if o.Hub != "" && o.Hub != who.Hub {
		who.Hub = strings.TrimSuffix(o.Hub, "/")
		if e.memory.identity.Hub != "" && who.Hub != e.memory.identity.Hub {
			who.Credential = "" // it was another hub's
		}
	}
	if !plain(who.Model) || !plain(who.Serial) {
		return problem.New(problem.Invalid, "emulator.serial", "most", maxSerial)
	}
	e.model, e.serial = who.Model, who.Serial
	return e.memory.keep(line{Identity: &who})
}

// plain tells letters and digits, as a model and a serial number have.
func plain(s string) bool {
	return s != "" && len(s) <= maxSerial &&
		strings.Trim(s, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// Start switches the reader on: what it had not finished is ended, and it dials.
func (e *Emulator) Start() {
	e.recover()
	e.work.Go(func() { e.link.run(e.ctx) })
	e.work.Go(e.repeatWords)
	e.touch()
}

// Close switches the reader off, as pulling its battery would: a dialogue under
// way is ended when it starts again with the same state file.
func (e *Emulator) Close() error {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return nil
	}
	e.closed = true
	d := e.current
	e.current = nil
	stopTimer(e.idle)
	stopTimer(e.clearing)
	e.mu.Unlock()
	if d != nil {
		d.events.push(input{what: inDead})
	}
	e.cancel()
	e.link.cut()
	e.work.Wait()
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.memory.close()
}

// ID is how messages name the reader: model and serial number.
func (e *Emulator) ID() string { return e.model + "-" + e.serial }

// Serial is the reader's serial number.
func (e *Emulator) Serial() string { return e.serial }

// Model is the reader's model.
func (e *Emulator) Model() string { return e.model }

// Seed is what the reader draws at random from.
func (e *Emulator) Seed() uint64 { return e.seed }

// chance is the unpredictable number of a transaction (tag 9F37).
func (e *Emulator) chance() (out [4]byte) {
	e.mu.Lock()
	defer e.mu.Unlock()
	binary.BigEndian.PutUint32(out[:], e.random.Uint32())
	return out
}

// localNow is the time in the zone of the parameters.
func (e *Emulator) localNow(p terminal.Parameters) time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.zone == nil || e.zoneName != p.Zone {
		zone, err := time.LoadLocation(p.Zone)
		if err != nil {
			zone = time.UTC
		}
		e.zone, e.zoneName = zone, p.Zone
	}
	return e.clock.Now().In(e.zone)
}

// Parameters are what the reader works with; false where nobody gave it any.
func (e *Emulator) Parameters() (terminal.Parameters, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.memory.parameters == nil {
		return terminal.Parameters{}, false
	}
	return *e.memory.parameters, true
}

// configure takes new parameters; a dialogue under way ends with those it began with.
func (e *Emulator) configure(p terminal.Parameters) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.memory.keep(line{Parameters: &p}); err != nil {
		e.log.Error("parameters not kept", "error", err)
	}
	e.notify()
}

// serialNumber numbers messages that have no answer; the same number never comes
// again, after a restart either.
func (e *Emulator) serialNumber() string {
	e.numbered = max(e.numbered+1, e.clock.Now().UnixMilli())
	return strconv.FormatInt(e.numbered, 36)
}

// notify wakes everybody who watches. The caller holds the lock.
func (e *Emulator) notify() {
	e.changes++
	close(e.changed)
	e.changed = make(chan struct{})
}

// Changed is closed at the next change of anything a screen shows.
func (e *Emulator) Changed() <-chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.changed
}

func stopTimer(t clock.Timer) {
	if t != nil {
		t.Stop()
	}
}

// attemptKnown is the dialogue of an attempt, nil where there was none.
func (m *memory) attemptKnown(a id.Attempt) *remembered { return m.dialogues[m.attempts[a]] }
