package sale

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"time"

	"encaisse/access"
	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/base/problem"
	"encaisse/catalog"
	"encaisse/event"
	"encaisse/fiscal"
	"encaisse/ledger"
	"encaisse/merchant"
)

// Put seals a sale: number, fiscal record, ledger, event, in one commit. The
// same request again returns the sale as it was sealed, with created false. A
// request that is Open keeps a basket instead, with its prices as they are now.
//
// Problems: sale.* for what the content breaks, each with its field;
// sale.other_content (conflict) for another request under the same id;
// sale.register_closed and sale.session_closed (conflict); fiscal.clock_back
// and fiscal.key_unavailable, where nothing more is sealed until it is mended.
// Nothing is written when a problem is returned.
func (s *Sales) Put(ctx context.Context, p access.Principal, r Request) (sealed Sale, created bool, err error) {
	if err := access.Allow(p, access.SaleWrite); err != nil {
		return Sale{}, false, err
	}
	if err := r.check(); err != nil {
		return Sale{}, false, err
	}
	sealed, created, err = s.put(ctx, p, r)
	if db.IsViolation(err, db.Unique) {
		// The same id was sealed between our read and our insert: it is there now.
		sealed, created, err = s.put(ctx, p, r)
	}
	return sealed, created, err
}

// put reads and computes before it asks for the writer's turn, so that a sale
// holds it for its writes alone. What was read is guarded by rows: the id by its
// key, the open session by the chain.
func (s *Sales) put(ctx context.Context, p access.Principal, r Request) (sealed Sale, created bool, err error) {
	var known *Sale
	var b basis
	err = s.db.Read(ctx, func(tx *db.Tx) (err error) {
		known = nil
		queueSale(tx, p.Merchant, r.ID, &known)
		b, err = s.basis(tx, p.Merchant, false, r.Register, r.Session, r.articles())
		if known != nil { // then nothing else matters
			*known, err = readAny(tx, p.Merchant, r.ID)
		}
		return err
	})
	hash := r.hash()
	switch {
	case err != nil:
		return Sale{}, false, r.blame(err)
	case known != nil && bytes.Equal(known.requestHash, hash):
		return *known, false, nil
	case known != nil:
		return Sale{}, false, problem.New(problem.Conflict, "sale.other_content", "sale", r.ID)
	}
	priced, err := price(r, b.session.Currency, b.articles)
	if err != nil {
		return Sale{}, false, err
	}
	if r.Open {
		return s.keep(ctx, p, priced, r.CashPayer, hash)
	}
	err = s.db.Write(ctx, func(tx *db.Tx) (err error) {
		sealed, err = s.seal(tx, p, priced, hash, b, time.Time{})
		return err
	})
	return sealed, err == nil, err
}

// basis is what a sale is computed from.
type basis struct {
	where    merchant.Site
	session  Session
	articles map[id.Article]catalog.Article
}

// basis reads it, for an import or else for the counter.
func (s *Sales) basis(tx *db.Tx, m id.Merchant, history bool, register id.Register, session id.Session, articles []id.Article) (b basis, err error) {
	var place merchant.Place
	var found *Session
	s.merchants.QueueRegister(tx, m, register, &place)
	if session == "" {
		queueOpenSession(tx, m, register, &found)
	} else {
		queueSession(tx, m, session, &found)
	}
	b.articles, err = catalog.ForSale(tx, m, articles) // sends what is queued
	switch {
	case err != nil && !problem.Is(err, "catalog.not_for_sale"):
		return b, err
	case place.Err() != nil:
		return b, place.Err()
	case usedFor(place.Register, history) != nil:
		return b, usedFor(place.Register, history)
	}
	if refused := mayJoin(found, register, session); refused != nil {
		return b, refused
	}
	b.where, b.session = place.Site, *found
	return b, err
}

// seal is the one path from a priced basket to a sealed sale, at the counter and
// in an import, which says at what time.
func (s *Sales) seal(tx *db.Tx, p access.Principal, priced Sale, hash []byte, b basis, at time.Time) (Sale, error) {
	sealed := priced
	sealed.Merchant, sealed.State, sealed.Session, sealed.BusinessDate = p.Merchant, Sealed, b.session.ID, b.session.BusinessDate
	sealed.Operator, sealed.requestHash = p.Operator, hash
	sealed.Accepted, sealed.Reserved = sealed.Total, sealed.Total
	position, err := s.journal.Append(tx, fiscal.Entry{
		Merchant: p.Merchant, Owner: string(sealed.Register), Kind: fiscal.KindTicket, JET: sealed.jet(), Subject: string(sealed.ID),
		Operator: p.Operator, At: at, Local: b.where.Location(), Total: sealed.Total, Period: string(sealed.Session),
		Body: func(fiscal.Position) ([]byte, error) { return sealed.body(), nil },
	})
	if problem.Is(err, "fiscal.period_closed") {
		return Sale{}, sessionClosed(sealed.Session)
	}
	if err != nil {
		return Sale{}, err
	}
	sealed.Number, sealed.SealedAt = position.Number, position.At
	insertSale(tx, &sealed)
	ledger.Post(tx, p.Merchant, string(sealed.ID), sealed.Currency, sealed.SealedAt, sealed.transfers())
	event.Emit(tx, p.Merchant, sealed.SealedAt, event.SaleSealed, string(sealed.ID), sealed.eventData())
	return sealed, nil
}

func (s *Sale) eventData() []byte {
	data := append(make([]byte, 0, 128), `{"register_id":"`...)
	data = append(data, s.Register...)
	data = append(data, `","number":`...)
	data = strconv.AppendInt(data, s.Number, 10)
	data = append(data, `,"total":{"amount":`...)
	data = strconv.AppendInt(data, s.Total, 10)
	data = append(data, `,"currency":"`...)
	data = append(data, s.Currency...)
	return append(data, `"}}`...)
}

// articles lists the articles a request names, each once.
func (r Request) articles() []id.Article {
	list := make([]id.Article, 0, len(r.Lines))
	seen := make(map[id.Article]bool, len(r.Lines))
	for _, line := range r.Lines {
		if line.Article != "" && !seen[line.Article] {
			seen[line.Article] = true
			list = append(list, line.Article)
		}
	}
	return list
}

// blame names the lines whose articles cannot be sold.
func (r Request) blame(err error) error {
	if !problem.Is(err, "catalog.not_for_sale") {
		return err
	}
	var faults []*problem.Error
	for i, line := range r.Lines {
		for _, why := range problem.As(err).Details {
			if fmt.Sprint(why.Args["article"]) == string(line.Article) {
				faults = append(faults, problem.New(problem.Invalid, why.Code, "article", line.Article).At(fmt.Sprintf("lines[%d].article_id", i)))
			}
		}
	}
	return join(faults)
}

// openSession reads the register's open session. The chain row decides in the
// end whether it is still open: this read only names the fault early.
func openSession(tx *db.Tx, m id.Merchant, register id.Register) (Session, error) {
	var found *Session
	queueOpenSession(tx, m, register, &found)
	if err := tx.Flush(); err != nil {
		return Session{}, err
	}
	if refused := mayJoin(found, register, ""); refused != nil {
		return Session{}, refused
	}
	return *found, nil
}

// mayJoin refuses a session that a record of the register cannot join: the one
// that was asked for, or with asked empty the open one.
func mayJoin(found *Session, register id.Register, asked id.Session) error {
	switch {
	case found == nil && asked == "":
		return problem.New(problem.Conflict, "sale.register_closed").At("register_id")
	case found == nil || found.Register != register:
		return problem.New(problem.Invalid, "sale.session_unknown").At("session_id")
	case !found.Open:
		return sessionClosed(found.ID)
	}
	return nil
}

func sessionClosed(session id.Session) error {
	return problem.New(problem.Conflict, "sale.session_closed", "session", session).At("session_id")
}
