package sim_test

import (
	"math/rand/v2"
	"slices"
	"time"

	"encaisse/acquirer/simulator"
	"encaisse/terminal/emulator"
)

const (
	// visitsEach is how many customers come to each reader on one day.
	visitsEach = 5
	// beforeBatchEnds is after how many of them its batch is closed by hand.
	beforeBatchEnds = 3
)

// phase is what a customer is at when a fault is let loose.
type phase string

const (
	paying    phase = "payment"
	returning phase = "reversal"
)

// strike is an act at the next step that a reader's dialogue reaches.
type strike struct {
	at step
	do act
}

// trouble is something wrong with a reader, and for how long.
type trouble struct {
	which int
	lasts time.Duration
}

// mischief is what is planned to go wrong in one phase of a visit.
type mischief struct {
	customer *customer // in the place of who would have come
	reader   []emulator.Fault
	strikes  []strike
	host     []simulator.Step
	signOn   bool // the connection to the host is cut first
	device   []trouble
	cells    []cell // of host, customer and device: hit when they are let loose
}

// visit is one customer: what is bought, how it is paid, what goes wrong, and
// what the cashier does about it.
type visit struct {
	customer   customer
	amount     int64
	split      bool // a part is paid in cash first
	two        bool // the rest in two parts, by card each
	patience   time.Duration
	impatience act // after that long; empty: waits
	gives      giving
	later      bool // only once the batch is closed
	plans      map[phase]*mischief
}

// giving is what a customer brings back.
type giving string

const (
	keepsAll  giving = ""
	givesAll  giving = "all"
	givesPart giving = "part"
)

// cardDay is what is drawn for one day, from its seed alone.
type cardDay struct {
	seed    uint64
	visits  [cardReaders][]*visit
	midday  [cardReaders]mischief // about the batch that is closed by hand
	evening mischief              // about those that the contract's hour closes
	atHour  bool                  // the last batches are closed by the clock and not by hand
	reborn  []time.Duration       // how long the next process takes to come
}

// drawDay draws a day. Faults are dealt out like cards, so that so many days
// have each of them in turn; all the rest is chance.
func drawDay(seed uint64) *cardDay {
	random := rand.New(rand.NewPCG(seed, 42))
	d := &cardDay{seed: seed, atHour: random.IntN(2) == 0}
	for range 16 {
		d.reborn = append(d.reborn, seconds(random, 0, 25))
	}
	pick := func(cells []cell, n uint64) cell { return cells[n%uint64(len(cells))] }
	for i := range cardReaders {
		for j := range visitsEach {
			v := drawVisit(random)
			n := seed*cardReaders*visitsEach + uint64(i*visitsEach+j)
			v.deal(random, pick(visitCells(), n))
			if random.IntN(5) < 2 {
				v.deal(random, pick(visitCells(), random.Uint64()))
			}
			if v.gives == keepsAll && v.plans[returning] != nil {
				v.gives = givesAll
			}
			v.later = v.gives == givesPart || v.gives == givesAll && v.later && j < beforeBatchEnds
			d.visits[i] = append(d.visits[i], v)
		}
		d.midday[i].deal(random, pick(batchCells(), seed*cardReaders+uint64(i)))
	}
	d.evening.deal(random, pick(batchCells(), random.Uint64()))
	return d
}

func drawVisit(random *rand.Rand) *visit {
	ordinary := []string{"pays", "pays", "pays", "pays", "pays", "taps", "taps", "phone", "stripe", "signs"}
	v := &visit{
		customer: customerNamed(ordinary[random.IntN(len(ordinary))]), amount: 100 + random.Int64N(4_900), split: random.IntN(8) == 0,
		two: random.IntN(10) == 0, patience: seconds(random, 5, 100), later: random.IntN(2) == 0, plans: make(map[phase]*mischief),
	}
	if random.IntN(2) == 0 {
		v.impatience = []act{actCancel, actAbandon, actEnquire, actEnquire, actManual}[random.IntN(5)]
	}
	switch random.IntN(6) {
	case 0, 1:
		v.gives = givesAll
	case 2:
		v.gives = givesPart
	}
	return v
}

func customerNamed(name string) customer {
	all := customers()
	return all[slices.IndexFunc(all, func(c customer) bool { return c.name == name })]
}

func seconds(random *rand.Rand, least, most int) time.Duration {
	return time.Duration(1000*least+random.IntN(1000*(most-least)+1)) * time.Millisecond
}

// plan is what goes wrong in a phase.
func (v *visit) plan(p phase) *mischief {
	if v.plans[p] == nil {
		v.plans[p] = &mischief{}
	}
	return v.plans[p]
}

// deal gives a visit a fault, in a phase where it can strike.
func (v *visit) deal(random *rand.Rand, c cell) {
	p := paying
	switch {
	case c.place == string(returning):
		p = returning
	case c.place == string(beforeReversal), c.place == string(afterReversal):
		p, v.gives, v.later = returning, givesAll, false // a void: the host is told at once
	case c.group != groupHand && c.group != groupDevice && random.IntN(4) == 0:
		p = returning
	}
	if c.place == string(emulator.PointCode) && p == paying {
		v.customer = customerNamed("pays") // somebody who types a code
	}
	if c.group == groupHost && c.place == string(returning) {
		v.gives, v.later = givesAll, false
	}
	v.plan(p).deal(random, c)
	if p == paying && v.plans[p].customer != nil {
		v.customer = *v.plans[p].customer
		if v.customer.high {
			v.amount += 6_000
		}
	}
}

// deal adds a fault.
func (m *mischief) deal(random *rand.Rand, c cell) {
	switch c.group {
	case groupReader:
		f := emulator.Fault{At: emulator.Point(c.place), Do: emulator.Action(c.fault), For: seconds(random, 1, 20)}
		if f.Do == emulator.LoseNetwork {
			f.For = seconds(random, 3, 90)
		}
		m.reader = append(m.reader, f)
		return // the reader counts what strikes
	case groupHouse:
		m.strikes = append(m.strikes, strike{step(c.place), act(c.fault)})
		return // counted where it strikes
	case groupHost:
		m.host = append(m.host, hostStep(random, c))
		m.signOn = m.signOn || c.place == "sign-on"
		return // the host counts what strikes
	case groupHand:
		someone := customerNamed(c.fault)
		m.customer = &someone
	case groupDevice:
		for i := range troubles {
			if troubles[i].name == c.fault {
				m.device = append(m.device, trouble{i, seconds(random, 2, 60)})
			}
		}
	}
	m.cells = append(m.cells, c)
}

// hostStep is a behaviour of the host for the next message of a type.
func hostStep(random *rand.Rand, c cell) simulator.Step {
	s := simulator.Step{Do: simulator.Behaviour(c.fault)}
	for _, m := range hostMessages {
		if m.name == c.place {
			s.Match.MTI = m.mti
		}
	}
	switch s.Do {
	case simulator.DoAnswer:
		s.DelayMS = hostDelay.Milliseconds()
	case simulator.DoRefuseBatch:
		s.Code = "06"
	case simulator.DoSlow:
		s.GapMS = int64(random.IntN(40))
	}
	if c.place != "sign-on" && random.IntN(4) == 0 {
		s.Times = 1 + random.IntN(4) // the repeats, too
	}
	return s
}
