package terminal

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"time"

	"encaisse/access"
	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/base/problem"
)

const (
	// PairingLifetime is how long a pairing code is good.
	PairingLifetime = 15 * time.Minute

	codeLength = 8
	// readable leaves out what is mistaken for something else: 0 O, 1 I L, U V.
	readable = "23456789ABCDEFGHJKMNPQRSTWXYZ"

	credentialPrefix = "dt_"
	maxCredential    = 64
	maxPairBody      = 4 << 10
)

// PairingCode gives a code with which one device, within a quarter of an hour,
// becomes the terminal's; the device it had until then loses its credential,
// and the terminal keeps its number and its history. A new code ends the
// former. Problems access.forbidden, terminal.not_found, terminal.deactivated.
func (h *Hub) PairingCode(ctx context.Context, p access.Principal, terminal id.Terminal) (code string, expires time.Time, err error) {
	if err := allowManage(p); err != nil {
		return "", time.Time{}, err
	}
	code = drawCode()
	err = h.db.Write(ctx, func(tx *db.Tx) error {
		t, err := lockTerminal(tx, p.Merchant, terminal)
		if none(err) {
			return notFound()
		}
		if err != nil {
			return err
		}
		if t.State != Active {
			return deactivated()
		}
		now := h.clock.Now()
		expires = now.Add(PairingLifetime)
		insertPairing(tx, hashed(code), t, p.Actor(), now, expires)
		return access.Audit(tx, now, p, "terminal.pairing_code", string(terminal), nil, nil)
	})
	if err != nil {
		return "", time.Time{}, err
	}
	return code, expires, nil
}

func deactivated() error { return problem.New(problem.Forbidden, "terminal.deactivated") }

// drawCode draws readable characters, each as likely as the others.
func drawCode() string {
	var out strings.Builder
	var chance [1]byte
	for out.Len() < codeLength {
		rand.Read(chance[:]) // never fails: crypto/rand aborts the program instead
		if i := int(chance[0]); i < 256-256%len(readable) {
			out.WriteByte(readable[i%len(readable)])
		}
	}
	return out.String()
}

// normalCode is a code as somebody may have typed it.
func normalCode(s string) string {
	return strings.ToUpper(strings.NewReplacer(" ", "", "-", "").Replace(s))
}

func hashed(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

// Pairing is what a device is told when it becomes a terminal's.
type Pairing struct {
	Terminal   id.Terminal `json:"terminal_id"`
	Device     id.Device   `json:"device_id"`
	Credential string      `json:"credential"` // shown here and never again
	Reader     string      `json:"reader"`     // what it calls itself on the link
	Number     int64       `json:"number"`
	Alias      string      `json:"alias"`
	Protocols  []string    `json:"protocols"` // WebSocket subprotocols
	Connect    string      `json:"connect"`   // path of the link
}

// Pair makes a device the terminal's that the code was given for. One problem,
// terminal.pairing_code, for a code that is wrong, used or too old; and
// terminal.model, terminal.serial, terminal.deactivated.
func (h *Hub) Pair(ctx context.Context, code, model, serial string) (Pairing, error) {
	if model == "" || len(model) > maxModel || !plain(model) {
		return Pairing{}, problem.New(problem.Invalid, "terminal.model", "most", maxModel).At("model")
	}
	if serial == "" || len(serial) > maxSerial || !plain(serial) {
		return Pairing{}, problem.New(problem.Invalid, "terminal.serial", "most", maxSerial).At("serial")
	}
	credential := credentialPrefix + rand.Text() + rand.Text()
	var out Pairing
	var from From
	err := h.db.Write(ctx, func(tx *db.Tx) error {
		now := h.clock.Now()
		taken, err := takePairing(tx, hashed(normalCode(code)), now)
		if none(err) {
			return problem.New(problem.Unauthorized, "terminal.pairing_code").At("code")
		}
		if err != nil {
			return err
		}
		from = From{taken.merchant, taken.terminal}
		before, err := lockTerminal(tx, from.Merchant, from.Terminal)
		if err != nil {
			return err
		}
		if before.State != Active {
			return deactivated()
		}
		d := device{From: from, id: id.New[id.Device](now), model: model, serial: serial}
		revokeDevice(tx, from.Merchant, from.Terminal, now)
		insertDevice(tx, hashed(credential), d, now)
		after := before
		after.Model, after.Serial, after.UpdatedAt = model, serial, now
		updateTerminal(tx, after)
		if err := h.part(tx, from.Merchant, from.Terminal); err != nil {
			return err
		}
		out = Pairing{
			Terminal: from.Terminal, Device: d.id, Credential: credential, Reader: readerName(model, serial),
			Number: after.Number, Alias: after.Alias, Protocols: h.names(), Connect: connectPath,
		}
		return access.Audit(tx, now, onBehalf(taken), "terminal.paired", string(from.Terminal), before.trailed(), after.trailed())
	})
	if err != nil {
		return Pairing{}, err
	}
	h.drop(from.Merchant, from.Terminal, "terminal.credential")
	return out, nil
}

// onBehalf is who gave the code: pairing is their act, done by a device.
func onBehalf(p pairing) access.Principal {
	out := access.Principal{Merchant: p.merchant}
	if key, err := id.Parse[id.Key](p.actor); err == nil {
		out.Key = key
	} else if person, err := id.Parse[id.Person](p.actor); err == nil {
		out.Person = person
	}
	return out
}

func (h *Hub) names() []string {
	var out []string
	for _, p := range h.protocols {
		out = append(out, p.Name())
	}
	return out
}

// pair answers POST /v1/terminals/pair.
func (h *Hub) pair(w http.ResponseWriter, r *http.Request) {
	if err := h.mayTry(r); err != nil {
		h.refuse(w, r, err)
		return
	}
	var in struct {
		Code   string `json:"code"`
		Model  string `json:"model"`
		Serial string `json:"serial"`
	}
	body := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxPairBody))
	body.DisallowUnknownFields()
	if err := body.Decode(&in); err != nil {
		h.refuse(w, r, problem.New(problem.Malformed, "terminal.pair_body"))
		return
	}
	out, err := h.Pair(r.Context(), in.Code, in.Model, in.Serial)
	if err != nil {
		h.log.Warn("terminals: pairing refused", "address", address(r), "error", err)
		h.refuse(w, r, err)
		return
	}
	h.log.Info("terminals: paired", "terminal", out.Terminal, "reader", out.Reader)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusCreated)
	_ = json.NewEncoder(w).Encode(out) // a reader that is gone asks for another code
}

// mayTry counts a try with a code or a credential that may be a guess.
// Problem request.too_many.
func (h *Hub) mayTry(r *http.Request) error {
	if err := h.pairings.Allow(address(r)); err != nil {
		return err
	}
	return h.guesses.Allow("")
}

func address(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
