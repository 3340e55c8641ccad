// Package web is what every door of Encaisse shares: the frame around a handler, and
// the one place where a refusal becomes an HTTP answer. It knows net/http and nothing
// of the business, nor of the library that decodes the API.
//
// A Frame wraps the handler of a whole server. From outside in, each request gets a
// Request-Id (on the answer, in the log and in every problem), the security headers,
// a line in the access log, a net under panics, a check that a browser sent it from
// our own pages, and a body that is bounded, complete and valid UTF-8 before the
// handler sees its first byte.
//
// A problem is answered as RFC 9457 says, in the reader's language. It never holds the
// offending value, and of an error of ours only the Request-Id, under which the log
// has the rest. The log holds no query, no body, no header, no address of a person.
package web

import (
	"context"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"encaisse/base/clock"
	"encaisse/base/i18n"
	"encaisse/base/problem"
)

const (
	// MaxBody is how many bytes a request may carry, unless Options.MaxBody says more.
	MaxBody = 1 << 20
	// MaxHeader is how many bytes the head of a request may have.
	MaxHeader = 32 << 10

	// A client has this long to send its head, then its whole request; the server to
	// answer it; and a connection that asks nothing is kept this long. Streams lift
	// the limits for themselves with KeepOpen.
	headTimeout  = 5 * time.Second
	readTimeout  = 30 * time.Second
	writeTimeout = 60 * time.Second
	idleTimeout  = 2 * time.Minute

	// RequestIDHeader carries the name of a request, on its answer.
	RequestIDHeader = "Request-Id"
)

// Options are what a Frame is made of.
type Options struct {
	Catalogue *i18n.Catalogue
	Log       *slog.Logger // nil: nothing is logged
	Clock     clock.Clock  // nil: the machine's

	// CrossOrigin lists the ServeMux patterns that a browser may send a form to from
	// another site: a shop that posts to its payment page. All others are refused.
	CrossOrigin []string

	// MaxBody tells how many bytes the body of r may have; nil: MaxBody for all. It is
	// how a route takes an upload.
	MaxBody func(r *http.Request) int64
}

// Frame is what surrounds the handlers of a server, safe for use by many goroutines.
type Frame struct {
	catalogue *i18n.Catalogue
	log       *slog.Logger
	clock     clock.Clock
	origin    *http.CrossOriginProtection
	maxBody   func(*http.Request) int64
	headers   []header
}

// New makes a Frame. It panics on a pattern in CrossOrigin that ServeMux refuses.
func New(o Options) *Frame {
	f := &Frame{
		catalogue: o.Catalogue, log: o.Log, clock: o.Clock, maxBody: o.MaxBody,
		origin: http.NewCrossOriginProtection(), headers: securityHeaders(),
	}
	if f.log == nil {
		f.log = slog.New(slog.DiscardHandler)
	}
	if f.clock == nil {
		f.clock = clock.Real{}
	}
	if f.maxBody == nil {
		f.maxBody = func(*http.Request) int64 { return MaxBody }
	}
	for _, pattern := range o.CrossOrigin {
		f.origin.AddInsecureBypassPattern(pattern)
	}
	return f
}

// Server is an http.Server with the limits of this package; the caller gives it an
// address or a listener, and wraps handler with Wrap where it wants the frame.
func (f *Frame) Server(handler http.Handler) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: headTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    MaxHeader,
		ErrorLog:          slog.NewLogLogger(f.log.Handler(), slog.LevelWarn),
	}
}

// KeepOpen lifts the time limits of one answer: an event stream lasts as long as its
// reader. It fails when the connection cannot do so.
func KeepOpen(w http.ResponseWriter) error {
	controller := http.NewResponseController(w)
	// Reading too: the server reads in the background to learn that the client left.
	if err := controller.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	return controller.SetWriteDeadline(time.Time{})
}

// Wrap is the frame around next.
func (f *Frame) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := &exchange{ResponseWriter: w, frame: f, id: newRequestID(), began: f.clock.Now()}
		r = r.WithContext(context.WithValue(r.Context(), exchangeKey{}, x))
		x.request = r
		h := w.Header()
		for _, one := range f.headers {
			h[one.name] = one.value
		}
		if r.TLS != nil {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		h[RequestIDHeader] = []string{x.id}
		defer f.finish(x, r)
		if err := f.admit(w, r); err != nil {
			f.WriteProblem(x, r, err)
			return
		}
		next.ServeHTTP(x, r)
	})
}

// admit checks what can be checked of any request, and reads its body.
func (f *Frame) admit(w http.ResponseWriter, r *http.Request) error {
	if err := f.origin.Check(r); err != nil {
		return problem.New(problem.Forbidden, "request.cross_origin").Because(err)
	}
	if !isText(r.URL.Path) || !isEncodedText(r.URL.RawQuery) {
		return notUTF8()
	}
	return readBody(w, r, f.maxBody(r))
}

// finish catches a panic and writes the line of the access log.
func (f *Frame) finish(x *exchange, r *http.Request) {
	cause := recover()
	switch {
	case cause == nil:
	case cause == http.ErrAbortHandler:
		defer panic(cause)
	default:
		f.log.LogAttrs(r.Context(), slog.LevelError, "panic", slog.String("request_id", x.id), slog.String("route", route(r)),
			slog.Any("panic", cause), slog.String("stack", string(debug.Stack())))
		if x.status != 0 {
			// The answer has begun: cut the connection, so that half of it is not taken
			// for the whole.
			defer panic(http.ErrAbortHandler)
			break
		}
		f.answer(x, r, problem.New(problem.Internal, internalCode))
	}
	if !f.log.Enabled(r.Context(), slog.LevelInfo) {
		return
	}
	status := x.status
	if status == 0 && cause == nil {
		status = http.StatusOK // net/http's own answer to a handler that says nothing
	}
	attrs := [8]slog.Attr{
		slog.String("method", r.Method), slog.String("route", route(r)), slog.Int("status", status),
		slog.Int64("bytes", x.bytes), slog.Int64("ms", f.clock.Now().Sub(x.began).Milliseconds()), slog.String("request_id", x.id),
	}
	used := 6
	if x.code != "" {
		attrs[used] = slog.String("code", x.code)
		used++
	}
	f.log.LogAttrs(r.Context(), slog.LevelInfo, "request", attrs[:used]...)
}
