package terminal

import (
	"net/http"
	"slices"
	"strings"

	"github.com/coder/websocket"

	"encaisse/base/db"
	"encaisse/base/problem"
	"encaisse/base/web"
)

// Paths of the door.
const (
	pairPath    = "/v1/terminals/pair"
	connectPath = "/v1/terminals/connect"
)

// Serve is the door for devices: POST /v1/terminals/pair and, as WebSocket, GET
// /v1/terminals/connect. What readers say goes to p.
func (h *Hub) Serve(p Payments) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+pairPath, h.pair)
	mux.HandleFunc("GET "+connectPath, func(w http.ResponseWriter, r *http.Request) { h.connect(w, r, p) })
	return mux
}

// refuseAsText is for a hub that nobody gave a better way.
func refuseAsText(w http.ResponseWriter, _ *http.Request, err error) {
	if e := problem.As(err); e != nil {
		http.Error(w, e.Code, web.Status(e.Kind))
		return
	}
	http.Error(w, "internal", http.StatusInternalServerError)
}

// connect admits a device and serves its link until it ends.
func (h *Hub) connect(w http.ResponseWriter, r *http.Request, p Payments) {
	defer h.count.Add(-1)
	if h.count.Add(1) > h.maxLinks {
		h.refuse(w, r, problem.New(problem.Unavailable, "terminal.too_many_links"))
		return
	}
	d, err := h.identify(r)
	if err == nil {
		err = h.knock()
	}
	if err != nil {
		h.log.Warn("terminals: connection refused", "address", address(r), "terminal", d.Terminal, "error", err)
		h.refuse(w, r, err)
		return
	}
	defer h.running.Done()
	protocol := h.choose(r)
	if protocol == nil {
		h.refuse(w, r, problem.New(problem.Malformed, "terminal.protocol", "protocols", strings.Join(h.names(), ", ")))
		return
	}
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{protocol.Name()}})
	if err != nil {
		h.log.Warn("terminals: no WebSocket", "address", address(r), "terminal", d.Terminal, "error", err)
		return // Accept has answered
	}
	h.serve(r.Context(), newLink(h, conn, protocol, d, p))
}

// knock counts a connection among what Run waits for. Problem
// terminal.stopping.
func (h *Hub) knock() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.stopping {
		return problem.New(problem.Unavailable, "terminal.stopping")
	}
	h.running.Add(1)
	return nil
}

// identify finds whose credential it is. Problems terminal.credential for one
// that is none, or was another device's before; terminal.deactivated;
// request.too_many for whoever tries many.
func (h *Hub) identify(r *http.Request) (d device, err error) {
	scheme, credential, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || !strings.HasPrefix(credential, credentialPrefix) || len(credential) > maxCredential {
		return device{}, h.guessed(r)
	}
	err = h.db.Read(r.Context(), func(tx *db.Tx) (err error) {
		d, err = readDevice(tx, hashed(credential))
		return err
	})
	switch {
	case none(err):
		return device{}, h.guessed(r)
	case err != nil:
		return device{}, err
	case d.deactivated:
		return d, problem.New(problem.Unauthorized, "terminal.deactivated")
	case d.revoked:
		return d, problem.New(problem.Unauthorized, "terminal.credential")
	}
	return d, nil
}

func (h *Hub) guessed(r *http.Request) error {
	if err := h.mayTry(r); err != nil {
		return err
	}
	return problem.New(problem.Unauthorized, "terminal.credential")
}

// choose takes the first protocol that the reader offers and the hub speaks.
func (h *Hub) choose(r *http.Request) Protocol {
	for _, header := range r.Header.Values("Sec-WebSocket-Protocol") {
		for offered := range strings.SplitSeq(header, ",") {
			i := slices.IndexFunc(h.protocols, func(p Protocol) bool { return p.Name() == strings.TrimSpace(offered) })
			if i >= 0 {
				return h.protocols[i]
			}
		}
	}
	return nil
}
