package terminal

import (
	"context"
	"encoding/json"
	"hash/fnv"
	"sync"
	"time"

	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/base/problem"
	"encaisse/event"
)

// notableBattery is how many percent a battery changes before it is written down.
const notableBattery = 5

// turn is the lock under which one connection of a terminal comes or goes.
func (h *Hub) turn(f From) *sync.Mutex {
	sum := fnv.New32a()
	_, _ = sum.Write([]byte(f.Terminal)) // never fails
	return &h.turns[sum.Sum32()%stripes]
}

// attach makes a link the terminal's: the newest connection wins, wherever the
// former one is. Problems terminal.credential and terminal.deactivated when the
// device was replaced or blocked while it connected.
func (h *Hub) attach(ctx context.Context, l *link, g Greeted) error {
	turn := h.turn(l.From)
	turn.Lock()
	defer turn.Unlock()
	state := Online
	if g.Health.Asleep {
		state = Asleep
	}
	err := h.db.Write(ctx, func(tx *db.Tx) error {
		today, err := lockTerminal(tx, l.Merchant, l.Terminal)
		if err != nil {
			return err
		}
		if today.State != Active {
			return deactivated()
		}
		live, err := liveDevice(tx, l.Merchant, l.Terminal)
		if none(err) || err == nil && live != l.device.id {
			return problem.New(problem.Unauthorized, "terminal.credential")
		}
		if err != nil {
			return err
		}
		before, err := lockPresence(tx, l.Merchant, l.Terminal)
		if err != nil && !none(err) {
			return err
		}
		now := h.clock.Now()
		after := presenceRow{state: state, since: now, node: h.node, connection: l.id, software: cutText(g.Software), health: g.Health}
		if before.state == after.state {
			after.since = before.since
		}
		putPresence(tx, l.From, after)
		if !h.alone {
			beatNode(tx, h.node, now)
		}
		if before.state != after.state {
			emit(tx, l.From, now, after)
		}
		return nil
	})
	if err != nil {
		return err
	}
	l.mu.Lock()
	l.asleep, l.health = g.Health.Asleep, g.Health
	l.mu.Unlock()
	h.configure(ctx, l) // before anybody can ask it for a payment
	h.mu.Lock()
	former := h.links[l.From]
	h.links[l.From] = l
	h.mu.Unlock()
	if former != nil {
		former.close(policy, "terminal.replaced")
	}
	return nil
}

// maxSoftware is how long a version may be.
const maxSoftware = 40

func cutText(s string) string {
	out := []rune(s)
	return string(out[:min(len(out), maxSoftware)])
}

// detach notes that a link is over: asleep where the reader had said so,
// offline otherwise. A newer connection, here or elsewhere, is left alone.
func (h *Hub) detach(ctx context.Context, l *link) {
	turn := h.turn(l.From)
	turn.Lock()
	defer turn.Unlock()
	h.mu.Lock()
	if h.links[l.From] == l {
		delete(h.links, l.From)
	}
	h.mu.Unlock()
	l.mu.Lock()
	after := presenceRow{state: Offline, health: l.health}
	if l.asleep {
		after.state = Asleep
	}
	l.mu.Unlock()
	if err := h.move(ctx, l, after); err != nil {
		h.log.Error("terminals: offline not noted", "terminal", l.Terminal, "error", err)
	}
	h.log.Info("terminals: "+string(after.state), "merchant", l.Merchant, "terminal", l.Terminal)
}

// tell notes what a reader says of itself, where it is worth a write.
func (h *Hub) tell(ctx context.Context, l *link, state PresenceState, health *Health) {
	l.mu.Lock()
	before := l.health
	after := before
	if health != nil {
		after = *health
	}
	after.Asleep = state == Asleep
	same := l.asleep == after.Asleep && !notable(before, after)
	if !same {
		l.asleep, l.health = after.Asleep, after
	}
	l.mu.Unlock()
	if same {
		return
	}
	if err := h.move(ctx, l, presenceRow{state: state, node: h.node, connection: l.id, health: after}); err != nil {
		h.log.Error("terminals: presence not noted", "terminal", l.Terminal, "error", err)
	}
}

// notable tells a change of health that somebody would want to see.
func notable(before, after Health) bool {
	steps := before.Battery - after.Battery
	before.Battery, before.Asleep, after.Battery, after.Asleep = 0, false, 0, false
	return before != after || steps >= notableBattery || steps <= -notableBattery
}

// move writes presence where the link is still the terminal's newest.
func (h *Hub) move(ctx context.Context, l *link, after presenceRow) error {
	return h.db.Write(ctx, func(tx *db.Tx) error {
		before, err := lockPresence(tx, l.Merchant, l.Terminal)
		if none(err) {
			return nil
		}
		if err != nil || before.connection != l.id {
			return err
		}
		now := h.clock.Now()
		after.since, after.software = now, before.software
		if before.state == after.state {
			after.since = before.since
		}
		moved, err := movePresence(tx, l.From, l.id, after)
		if err == nil && moved && before.state != after.state {
			emit(tx, l.From, now, after)
		}
		return err
	})
}

// part ends whatever connection a terminal has, in the caller's transaction;
// the node that holds it sees that it is no longer the newest.
func (h *Hub) part(tx *db.Tx, m id.Merchant, terminal id.Terminal) error {
	before, err := lockPresence(tx, m, terminal)
	if none(err) || err == nil && before.state == Offline && before.node == "" {
		return nil
	}
	if err != nil {
		return err
	}
	f, now := From{m, terminal}, h.clock.Now()
	after := before
	after.state, after.since, after.node, after.connection = Offline, now, "", ""
	putPresence(tx, f, after)
	if before.state != Offline {
		emit(tx, f, now, after)
	}
	return nil
}

// drop ends the connection of a terminal on this node.
func (h *Hub) drop(m id.Merchant, terminal id.Terminal, code string) {
	if l := h.link(From{m, terminal}); l != nil {
		l.close(policy, code)
	}
}

var kinds = map[PresenceState]string{Online: event.TerminalOnline, Asleep: event.TerminalAsleep, Offline: event.TerminalOffline}

func emit(tx *db.Tx, f From, now time.Time, p presenceRow) {
	data, err := json.Marshal(struct {
		State  PresenceState `json:"state"`
		Health Health        `json:"health"`
	}{p.state, p.health})
	if err != nil {
		return // a struct of ours always marshals
	}
	event.Emit(tx, f.Merchant, now, kinds[p.state], string(f.Terminal), data)
}

// seen is a terminal with its presence as it is now: a connection that a
// silent node held is gone.
func (h *Hub) seen(p presented) Terminal {
	t := p.Terminal
	t.Presence = Presence{State: h.effective(p.row, p.nodeSeen), Software: p.row.software, Health: p.row.health, Busy: p.Presence.Busy}
	t.Presence.Health.Asleep = t.Presence.State == Asleep
	if !p.row.since.IsZero() {
		since := p.row.since
		t.Presence.Since = &since
	}
	return t
}

func (h *Hub) effective(p presenceRow, nodeSeen *time.Time) PresenceState {
	if p.node == "" || p.node == h.node {
		return p.state
	}
	if h.alone || nodeSeen == nil || h.clock.Now().Sub(*nodeSeen) > beatStale {
		return Offline
	}
	return p.state
}

// beat says that this node lives, ends links that are no longer their
// terminal's newest, and notes what other nodes left behind when they died.
func (h *Hub) beat(ctx context.Context) error {
	h.mu.Lock()
	held := map[string]*link{}
	for _, l := range h.links {
		held[l.id] = l
	}
	h.mu.Unlock()
	var connections map[string]bool
	err := h.db.Write(ctx, func(tx *db.Tx) (err error) {
		now := h.clock.Now()
		if len(held) > 0 {
			beatNode(tx, h.node, now)
		}
		pruneNodes(tx, now.Add(-time.Hour))
		connections, err = readConnections(tx, h.node)
		return err
	})
	if err != nil {
		return err
	}
	// held was taken before: what came since is not missing from the rows.
	for connection, l := range held {
		if !connections[connection] {
			l.close(policy, "terminal.replaced")
		}
	}
	return h.sweep(ctx)
}

// sweep notes as offline what nodes held that are no more.
func (h *Hub) sweep(ctx context.Context) error {
	before := h.clock.Now().Add(-beatStale)
	if h.alone {
		before = h.clock.Now().Add(beatStale)
	}
	for {
		var found []lost
		err := h.db.Write(ctx, func(tx *db.Tx) (err error) {
			if found, err = readLost(tx, h.node, before, chunk); err != nil {
				return err
			}
			now := h.clock.Now()
			for _, l := range found {
				after := l.presenceRow
				after.state, after.since, after.node, after.connection = Offline, now, "", ""
				moved, err := movePresence(tx, l.From, l.connection, after)
				if err != nil {
					return err
				}
				if moved && l.state != Offline {
					emit(tx, l.From, now, after)
				}
			}
			return nil
		})
		if err != nil || len(found) < chunk {
			return err
		}
	}
}

// drawBlock reserves numbers for requests that are no dialogue. Problem
// terminal.deactivated.
func (h *Hub) drawBlock(ctx context.Context, f From) (first int64, err error) {
	err = h.db.Write(ctx, func(tx *db.Tx) (err error) {
		first, err = drawNumbers(tx, f.Merchant, f.Terminal, numberBlock)
		return err
	})
	if none(err) {
		return 0, deactivated()
	}
	return first, err
}

// Reconfigure sends every reader of a merchant that is connected, here or to
// another node, its parameters of today: after a change of contract, or when a
// batch closes.
func (h *Hub) Reconfigure(ctx context.Context, m id.Merchant) error {
	h.mu.Lock()
	var here []*link
	for l := range h.serving {
		if l.Merchant == m {
			here = append(here, l)
		}
	}
	h.mu.Unlock()
	for _, l := range here {
		if h.current(l.From, "") == l { // one that is just coming gets what is written by then
			h.configure(ctx, l)
		}
	}
	return h.reconfigureElsewhere(ctx, m, "")
}

// configureLocal does it for one terminal, beside.
func (h *Hub) configureLocal(m id.Merchant, terminal id.Terminal) {
	h.beside(func() {
		ctx := context.Background()
		if l := h.current(From{m, terminal}, ""); l != nil {
			h.configure(ctx, l)
			return
		}
		if err := h.reconfigureElsewhere(ctx, m, terminal); err != nil {
			h.log.Error("terminals: configure elsewhere", "terminal", terminal, "error", err)
		}
	})
}

// configure sends a reader its parameters. A failure is logged: the reader
// keeps those it has, and gets new ones when it connects again.
func (h *Hub) configure(ctx context.Context, l *link) {
	if h.configurer == nil {
		return
	}
	var today Terminal
	err := h.db.Read(ctx, func(tx *db.Tx) (err error) {
		today, err = readTerminal(tx, l.Merchant, l.Terminal)
		return err
	})
	if err == nil {
		var p Parameters
		if p, err = h.configurer.Parameters(ctx, l.Merchant, today); err == nil {
			err = l.write(ctx, Message{Configure: &p})
		}
	}
	if err != nil {
		h.log.Error("terminals: not configured", "terminal", l.Terminal, "error", err)
	}
}
