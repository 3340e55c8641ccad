package simulator

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"encaisse/acquirer/iso8583"
	"encaisse/base/clock"
)

// Limits of a link.
const (
	maxLinks   = 1_024
	maxPending = 1_024 // answers of a link that have not left yet
	maxMessage = iso8583.DefaultMaxFrame
	writeTime  = 10 * time.Second // for an answer to be taken
)

// link is one connection of a connector.
type link struct {
	conn    net.Conn
	number  int64
	pending chan struct{} // one for each answer that has not left yet
	off     bool          // signed off; its reader alone knows
	running *sync.WaitGroup
	gone    chan struct{} // closed when the link is
	once    sync.Once

	mu sync.Mutex // held by whoever writes
}

// cut ends the link.
func (l *link) cut() {
	l.once.Do(func() {
		close(l.gone)
		_ = l.conn.Close() // nothing is left to lose on it
	})
}

// Serve answers the connections of a listener until ctx ends; then it cuts them
// and returns nil.
func (s *Simulator) Serve(ctx context.Context, listener net.Listener) error {
	s.mu.Lock()
	s.listen = listener.Addr()
	s.mu.Unlock()
	var running sync.WaitGroup
	defer running.Wait()
	stop := context.AfterFunc(ctx, func() {
		_ = listener.Close()
		s.cutLinks()
	})
	defer stop()
	for number := int64(1); ; number++ {
		conn, err := listener.Accept()
		if err != nil {
			if ctx.Err() != nil {
				s.cutLinks() // one may have come while they were cut
				return nil
			}
			return err
		}
		l := &link{conn: conn, number: number, pending: make(chan struct{}, maxPending), running: &running, gone: make(chan struct{})}
		if !s.enter(l) {
			s.log.Warn("too many links", "most", maxLinks)
			_ = conn.Close()
			continue
		}
		running.Go(func() {
			defer s.leave(l)
			s.converse(l)
		})
	}
}

func (s *Simulator) enter(l *link) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.links) >= maxLinks {
		return false
	}
	s.links[l] = struct{}{}
	return true
}

func (s *Simulator) leave(l *link) {
	l.cut()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.links, l)
}

// cutLinks closes every connection, as a network does.
func (s *Simulator) cutLinks() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for l := range s.links {
		l.cut()
	}
}

// converse reads messages one by one and decides in their order; answers leave
// when they may. What cannot be read is noted and answered by nobody; what cannot
// be told apart any more ends the link.
func (s *Simulator) converse(l *link) {
	in := bufio.NewReader(l.conn)
	framing := s.framing
	framing.Max = maxMessage
	for {
		frame, err := framing.ReadFrame(in)
		if err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
				s.unreadable(l, err)
			}
			return
		}
		m, err := s.spec.Unpack(frame)
		if err == nil && iso8583.AnswerTo(m.MTI) == "" {
			err = errNoRequest
		}
		if err != nil {
			s.unreadable(l, err)
			continue
		}
		select {
		case l.pending <- struct{}{}:
		case <-l.gone:
			return
		}
		d := s.decide(l, m)
		if d.step.Do == DoCloseBefore {
			return
		}
		s.deliver(l, d)
	}
}

var errNoRequest = errors.New("simulator: nothing answers this type of message")

// decision is a message's answer, packed, with what is to become of it.
type decision struct {
	reply  []byte
	step   Step
	ticket uint64 // of the change it made
}

// decide makes the answer to a message, under the state's lock.
func (s *Simulator) decide(l *link, m *iso8583.Message) (d decision) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.received.Add(1)
	now := s.clock.Now()
	e := entry{at: now, link: l.number, message: m}
	if !strings.ContainsRune("1245", rune(m.MTI[1])) {
		d, e.outcome = s.decideOther(l, m)
	} else {
		r, readable := read(m)
		d, e.outcome = s.decideMoney(l, r, readable, now)
	}
	e.do, e.reply = d.step, d.reply
	s.journal.add(e)
	d.ticket = s.saver.marked
	return d
}

// decideOther answers what touches no money.
func (s *Simulator) decideOther(l *link, m *iso8583.Message) (d decision, o outcome) {
	d.step = s.queue.take(networkRequest(m), "")
	if !d.step.decides() {
		return d, o
	}
	o = outcome{code: codeInvalid, why: "not in the profile"}
	if m.MTI[1] == '8' {
		var on bool
		o, on = manage(m, !l.off)
		l.off = !on
	}
	if d.step.Code != "" {
		o.code, o.why = d.step.Code, "scenario"
	}
	d.reply = s.pack(reply(m, o))
	return d, o
}

// decideMoney answers what touches money: what was answered before, or what the
// host makes of it now. Only what will never be answered otherwise is remembered.
func (s *Simulator) decideMoney(l *link, r request, readable bool, now time.Time) (d decision, o outcome) {
	d.step = s.queue.take(r, s.host.cardOf(r))
	before, different := s.host.known(r)
	switch {
	case !d.step.decides():
		return d, o
	case !readable:
		o = outcome{code: codeFormat, why: "a field is missing or contradicts another"}
	case before != nil:
		d.reply = before
		return d, outcome{why: "answered before"}
	case different != "":
		o = outcome{code: different, why: "another message under the same trace number"}
	case l.off:
		o = outcome{code: codeSignedOff, why: "the link is signed off"}
	default:
		o = s.host.act(r, d.step.order(), now, s.queue.seed)
	}
	d.reply = s.pack(reply(r.Message, o))
	if o.settled && d.reply != nil {
		s.host.answers.put(r.key, answer{r.content[:], d.reply})
	}
	s.saver.mark()
	return d, o
}

// cardOf is the name of the account a message is about, or "".
func (h *host) cardOf(r request) string {
	number := r.Get(fieldPAN)
	if number == "" {
		number, _, _ = strings.Cut(r.Get(fieldTrack2), "=")
	}
	if a := h.numbers[number]; a != nil {
		return a.Name
	}
	return ""
}

// pack writes an answer. All of it comes from a message that was read and from
// the host itself: one that cannot be written is a mistake of ours.
func (s *Simulator) pack(m *iso8583.Message) []byte {
	b, err := s.spec.Pack(m)
	if err != nil {
		s.log.Error("pack an answer", "mti", m.MTI, "error", err)
		return nil
	}
	return b
}

// deliver lets an answer go when its change is kept and its delay is over. What
// waits does not hold up the messages behind it.
func (s *Simulator) deliver(l *link, d decision) {
	leave := func() {
		s.send(l, d)
		<-l.pending
	}
	delay := d.step.delay()
	if s.saver.path == "" && delay == 0 && d.step.Do != DoSlow {
		leave()
		return
	}
	l.running.Go(func() {
		if err := s.save(d.ticket); err != nil {
			s.log.Error("an answer is withheld: the state is not kept", "error", err)
			<-l.pending
			return
		}
		if delay > 0 {
			s.clock.AfterFunc(delay, leave)
			return
		}
		leave()
	})
}

// send writes an answer, or what takes its place.
func (s *Simulator) send(l *link, d decision) {
	var out bytes.Buffer
	framing := s.framing
	body := d.reply
	switch d.step.Do {
	case DoLost, DoSilent:
		return
	case DoCloseAfter:
		l.cut()
		return
	case DoGarbage:
		body = noise(s.seed(), d.reply)
	case DoTruncated:
		body = d.reply[:len(d.reply)/2]
	case DoOversized:
		body = make([]byte, maxMessage+1)
		framing.Max = len(body)
	}
	if len(body) == 0 {
		return // it could not be packed
	}
	if err := framing.WriteFrame(&out, body); err != nil {
		s.log.Error("frame an answer", "error", err)
		return
	}
	frame := out.Bytes()
	switch d.step.Do {
	case DoTwice:
		frame = append(frame, frame...)
	case DoCut:
		frame = frame[:len(frame)/2]
	}
	s.write(l, frame, d.step)
	if d.step.Do == DoCut {
		l.cut()
	}
}

// write puts a frame on the wire, in one piece or byte by byte. A connector that
// reads no more loses its link.
func (s *Simulator) write(l *link, frame []byte, step Step) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s.answered.Add(1)
	pieces := 1
	if step.Do == DoSlow {
		pieces = len(frame)
	}
	for i := range pieces {
		// A socket's patience is of the machine's time, whatever the simulator's is.
		_ = l.conn.SetWriteDeadline(clock.Real{}.Now().Add(writeTime)) // it fails where the write does
		if _, err := l.conn.Write(frame[i*len(frame)/pieces : (i+1)*len(frame)/pieces]); err != nil {
			l.cut() // whoever asked will ask again
			return
		}
		if step.GapMS > 0 && i+1 < pieces && !s.wait(l, time.Duration(step.GapMS)*time.Millisecond) {
			return
		}
	}
}

// wait lets time pass; false when the link is gone meanwhile.
func (s *Simulator) wait(l *link, d time.Duration) bool {
	over := make(chan struct{})
	timer := s.clock.AfterFunc(d, func() { close(over) })
	defer timer.Stop()
	select {
	case <-over:
		return true
	case <-l.gone:
		return false
	}
}

func (s *Simulator) seed() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.queue.seed
}

// noise is as long as an answer and no message: its first byte is no digit in
// any packing.
func noise(seed uint64, instead []byte) []byte {
	out := []byte{0xFF}
	for n := 0; len(out) < len(instead); n++ {
		sum := sha256.Sum256(fmt.Appendf(nil, "%d %d %s", seed, n, instead))
		out = append(out, sum[:]...)
	}
	return out[:max(1, len(instead))]
}

// unreadable notes what came and could not be read.
func (s *Simulator) unreadable(l *link, err error) {
	s.log.Warn("unreadable", "link", l.number, "error", err)
	s.unread.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.journal.add(entry{at: s.clock.Now(), link: l.number, outcome: outcome{why: err.Error()}})
}
