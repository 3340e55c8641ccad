package access

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"strings"
	"time"

	"encaisse/base/db"
	"encaisse/base/problem"
)

// Limits of a session.
const (
	SessionLifetime = 7 * 24 * time.Hour // however much it is used
	SessionIdle     = 12 * time.Hour     // without use: a till is signed in each morning
	sessionRenewal  = time.Hour          // how often use moves the idle end on, which is a write
	maxSessions     = 20                 // per person: one more ends the oldest

	pruneChunk = 500 // rows in one transaction
)

const (
	sessionPrefix = "st_"
	keyPrefix     = "sk_live_"
	tokenBytes    = 32
	maxBearer     = 128
)

// tokenEncoding has no character at which a double click stops.
var tokenEncoding = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// newToken makes 256 random bits with a prefix that secret scanners know.
func newToken(prefix string) string {
	var raw [tokenBytes]byte
	rand.Read(raw[:]) // never fails: crypto/rand aborts the program instead
	return prefix + tokenEncoding.EncodeToString(raw[:])
}

// tokenHash is what is kept of a token. 256 random bits need no slow hash.
func tokenHash(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}

// Session is what a sign-in gives: the token is shown here and nowhere else.
type Session struct {
	Token     string
	ExpiresAt time.Time
	Principal Principal
}

// OpenSession is one of the sessions a person has open.
type OpenSession struct {
	CreatedAt time.Time
	IdleUntil time.Time
	ExpiresAt time.Time
	Current   bool // the one that asks
}

// Authenticate tells who bears a session token or an API key, with one indexed
// read. A session whose idle end comes nearer is moved on, at most once an hour
// of use. Problem access.bearer for anything that is not, or no longer, valid:
// signed out, expired, revoked, deactivated.
func (g *Gate) Authenticate(ctx context.Context, bearer string) (p Principal, err error) {
	if len(bearer) > maxBearer {
		return Principal{}, unknownBearer()
	}
	now := g.clock.Now()
	hash := tokenHash(bearer)
	var idleUntil time.Time
	switch {
	case strings.HasPrefix(bearer, keyPrefix):
		err = g.db.Read(ctx, func(tx *db.Tx) (err error) {
			p, err = readKey(tx, hash)
			return err
		})
	case strings.HasPrefix(bearer, sessionPrefix):
		err = g.db.Read(ctx, func(tx *db.Tx) (err error) {
			p, idleUntil, err = readSession(tx, hash, now)
			return err
		})
		if err == nil && idleUntil.Sub(now) < SessionIdle-sessionRenewal {
			g.renew(ctx, hash, now)
		}
	default:
		return Principal{}, unknownBearer()
	}
	if errors.Is(err, db.ErrNone) {
		return Principal{}, unknownBearer()
	}
	if err != nil {
		return Principal{}, err
	}
	return p, nil
}

// renew moves the idle end on. It keeps quiet when that fails: the session is
// good for now, and the next request tries again.
func (g *Gate) renew(ctx context.Context, hash []byte, now time.Time) {
	_ = g.db.Write(ctx, func(tx *db.Tx) error {
		extendSession(tx, hash, now.Add(SessionIdle))
		return nil
	})
}

func unknownBearer() error { return problem.New(problem.Unauthorized, "access.bearer") }

// SignOut ends the session of the token. A token that is not known any more is
// signed out already.
func (g *Gate) SignOut(ctx context.Context, token string) error {
	hash := tokenHash(token)
	return g.db.Write(ctx, func(tx *db.Tx) error {
		now := g.clock.Now()
		p, _, err := readSession(tx, hash, now)
		if errors.Is(err, db.ErrNone) {
			return nil
		}
		if err != nil {
			return err
		}
		deleteSession(tx, hash)
		return Audit(tx, now, p, "session.closed", string(p.Person), nil, nil)
	})
}

// SignOutOthers ends all sessions of the person but the one that asks, for a
// device that was lost. It tells how many.
func (g *Gate) SignOutOthers(ctx context.Context, p Principal) (ended int64, err error) {
	err = g.db.Write(ctx, func(tx *db.Tx) error {
		var err error
		if ended, err = deleteSessions(tx, p.Merchant, p.Person, []byte(p.session)); err != nil || ended == 0 {
			return err
		}
		return Audit(tx, g.clock.Now(), p, "session.others_closed", string(p.Person), nil, map[string]int64{"ended": ended})
	})
	return ended, err
}

// Sessions lists the sessions that the principal's person has open, newest first.
func (g *Gate) Sessions(ctx context.Context, p Principal) (sessions []OpenSession, err error) {
	err = g.db.Read(ctx, func(tx *db.Tx) (err error) {
		sessions, err = readSessions(tx, p, g.clock.Now())
		return err
	})
	return sessions, err
}

// Prune forgets what has ended: sessions, and tries older than a day. It is
// called from time to time, and tells how many rows it removed.
func (g *Gate) Prune(ctx context.Context) (removed int64, err error) {
	for {
		var n int64
		err := g.db.Write(ctx, func(tx *db.Tx) error {
			now := g.clock.Now()
			sessions, err := pruneSessions(tx, now, pruneChunk)
			if err != nil {
				return err
			}
			tries, err := pruneTries(tx, now.Add(-triesKept), now, pruneChunk)
			n = sessions + tries
			return err
		})
		if err != nil {
			return removed, err
		}
		removed += n
		if n < pruneChunk {
			return removed, nil
		}
	}
}
