package terminal

import (
	"context"
	"crypto/rand"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"encaisse/base/clock"
	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/base/web"
	"encaisse/merchant"
)

// Limits of the hub.
const (
	// DefaultMaxLinks is how many readers one node holds.
	DefaultMaxLinks = 20_000

	pingEvery  = 2 * time.Second         // heartbeat of a link
	pongWithin = 2500 * time.Millisecond // together under 5 s: that soon a lost link is seen
	freshFor   = time.Second             // a link that was heard that recently needs no ping before an amount

	greetWithin  = 5 * time.Second // for a reader to say who it is
	handWithin   = 2 * time.Second // for a sign of life before an amount is sent: the till says « hors ligne » then
	answerWithin = 5 * time.Second // for a status or a diagnosis
	printWithin  = 20 * time.Second
	writeWithin  = 5 * time.Second

	beatEvery  = 2 * time.Second // a node's own heartbeat, where there may be several
	beatStale  = 5 * time.Second // without one for so long its connections are gone
	relayEvery = 100 * time.Millisecond
	relayPoll  = 50 * time.Millisecond

	keepDialogues = 7 * 24 * time.Hour // what is closed is history of payment by then
	chunk         = 200                // rows changed in one transaction
)

// Configurer knows what a reader works with.
type Configurer interface {
	// Parameters are today's for a terminal.
	Parameters(ctx context.Context, m id.Merchant, t Terminal) (Parameters, error)
}

// Options are what a hub is made with. The zero value of a field is said beside it.
type Options struct {
	Protocols  []Protocol                                      // what readers may speak
	Merchants  *merchant.Merchants                             // sites and registers
	Configurer Configurer                                      // nil: readers are sent no parameters
	Log        *slog.Logger                                    // nil: nothing is logged
	MaxLinks   int                                             // 0: DefaultMaxLinks
	Refuse     func(http.ResponseWriter, *http.Request, error) // answers a problem at the door; nil: its code as text

	// Contract refuses a contract that is none of the merchant's; nil: none is refused.
	Contract func(tx *db.Tx, m id.Merchant, c id.Contract) error
}

// Hub is where readers connect, and what reaches them.
type Hub struct {
	db         *db.DB
	clock      clock.Clock
	log        *slog.Logger
	merchants  *merchant.Merchants
	contract   func(tx *db.Tx, m id.Merchant, c id.Contract) error
	protocols  []Protocol
	configurer Configurer
	refuse     func(http.ResponseWriter, *http.Request, error)
	maxLinks   int64
	node       string // this program among those that share the database
	alone      bool   // no other program can

	pairings *web.Limiter // tries with a pairing code, per address
	guesses  *web.Limiter // and of all of them together

	count   atomic.Int64 // connections, those that have not said who they are among them
	running sync.WaitGroup

	// One connection of a terminal after the other comes or goes, so that the
	// newest one in the database is the one in links.
	turns [stripes]sync.Mutex

	mu       sync.Mutex
	links    map[From]*link // of those that are online
	serving  map[*link]bool // and those that have not said who they are
	stopping bool
}

// stripes is how many terminals may come and go at the same time, at least.
const stripes = 64

// Rates of the door.
const (
	pairEvery    = 6 * time.Second // one address: ten tries a minute
	pairBurst    = 10
	guessEvery   = 200 * time.Millisecond // all addresses: 300 a minute, of 30⁸ codes that last 15 minutes
	guessBurst   = 100
	maxAddresses = 10_000
)

// New makes a hub. [Hub.Serve] opens its door and [Hub.Run] does what goes on
// beside.
func New(d *db.DB, c clock.Clock, o Options) *Hub {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.MaxLinks <= 0 {
		o.MaxLinks = DefaultMaxLinks
	}
	if o.Refuse == nil {
		o.Refuse = refuseAsText
	}
	return &Hub{
		db: d, clock: c, log: o.Log, merchants: o.Merchants, contract: o.Contract, protocols: o.Protocols, configurer: o.Configurer,
		refuse: o.Refuse, maxLinks: int64(o.MaxLinks), node: rand.Text(), alone: d.Engine() == db.SQLite,
		pairings: web.NewLimiter(c, pairEvery, pairBurst, maxAddresses), guesses: web.NewLimiter(c, guessEvery, guessBurst, 1),
		links: map[From]*link{}, serving: map[*link]bool{},
	}
}

// Run keeps this node among the living and carries messages between nodes,
// until ctx ends; then it closes every link and returns once nothing it began
// is under way.
func (h *Hub) Run(ctx context.Context) {
	var beside sync.WaitGroup
	if h.alone {
		// Whoever held connections before this program holds none now.
		if err := h.sweep(ctx); err != nil && ctx.Err() == nil {
			h.log.Error("terminals: sweep", "error", err)
		}
		<-ctx.Done()
	} else {
		beside.Go(func() { h.every(ctx, beatEvery, "terminals: beat", h.beat) })
		beside.Go(func() { h.every(ctx, relayEvery, "terminals: relay", h.relay) })
	}
	beside.Wait()
	h.stop()
}

// every runs one task again and again; its errors are logged and it goes on.
func (h *Hub) every(ctx context.Context, pause time.Duration, name string, task func(context.Context) error) {
	for ctx.Err() == nil {
		if err := task(ctx); err != nil && ctx.Err() == nil {
			h.log.Error(name, "error", err)
		}
		h.wait(ctx, pause)
	}
}

// wait lets d pass by the hub's clock, or ctx end.
func (h *Hub) wait(ctx context.Context, d time.Duration) {
	over := make(chan struct{})
	timer := h.clock.AfterFunc(d, func() { close(over) })
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-over:
	}
}

// grace is what an answer that is on its way has, by the machine's own time,
// after its time is over by the hub's clock: a clock that jumps ends no link.
const grace = 250 * time.Millisecond

// within is ctx with a deadline by the hub's clock.
func (h *Hub) within(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	within, cancel := context.WithCancel(ctx)
	timer := h.clock.AfterFunc(d, func() {
		late, stop := context.WithTimeout(within, grace)
		defer stop()
		<-late.Done()
		cancel()
	})
	return within, func() {
		timer.Stop()
		cancel()
	}
}

// stop closes every link, waits for what they have under way, and leaves.
func (h *Hub) stop() {
	h.mu.Lock()
	h.stopping = true
	all := slices.Collect(maps.Keys(h.serving))
	h.mu.Unlock()
	for _, l := range all {
		l.close(leaving, "the hub stops")
	}
	h.running.Wait()
	err := h.db.Write(context.Background(), func(tx *db.Tx) error {
		deleteNode(tx, h.node)
		return nil
	})
	if err != nil {
		h.log.Error("terminals: leave", "error", err)
	}
}

// beside runs fn on its own, unless the hub stops; Run waits for it.
func (h *Hub) beside(fn func()) {
	if h.knock() != nil {
		return
	}
	go func() {
		defer h.running.Done()
		fn()
	}()
}

// link is the connection of a terminal on this node, or nil.
func (h *Hub) link(f From) *link {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.links[f]
}

// current is the connection of a terminal on this node that the database names;
// one that is just coming or going is waited for. nil: it is gone.
func (h *Hub) current(f From, connection string) *link {
	if l := h.link(f); l != nil && l.id == connection {
		return l
	}
	turn := h.turn(f)
	turn.Lock()
	defer turn.Unlock()
	return h.link(f)
}

// Prune removes pairing codes, messages and dialogues that are over. It is to
// be called now and then.
func (h *Hub) Prune(ctx context.Context) error {
	now := h.clock.Now()
	for _, prune := range []func(tx *db.Tx) (int64, error){
		func(tx *db.Tx) (int64, error) { return prunePairings(tx, now, chunk) },
		func(tx *db.Tx) (int64, error) { return pruneMessages(tx, now.Add(-time.Minute), chunk) },
		func(tx *db.Tx) (int64, error) { return pruneDialogues(tx, now.Add(-keepDialogues), chunk) },
	} {
		for removed := int64(chunk); removed == chunk; {
			err := h.db.Write(ctx, func(tx *db.Tx) (err error) {
				removed, err = prune(tx)
				return err
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}
