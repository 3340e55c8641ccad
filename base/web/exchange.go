package web

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"io"
	"net/http"
	"strings"
	"time"
)

const idBytes = 10 // of chance in a Request-Id: 16 letters

// exchange is one request and its answer, as the frame follows it.
type exchange struct {
	http.ResponseWriter
	frame    *Frame
	request  *http.Request
	id       string
	began    time.Time
	status   int // 0: nothing was answered yet
	bytes    int64
	code     string // of the problem that was answered
	replaced bool   // the answer was ServeMux's own, and a problem went in its place
}

type exchangeKey struct{}

func exchangeOf(ctx context.Context) *exchange {
	x, _ := ctx.Value(exchangeKey{}).(*exchange)
	return x
}

// RequestID is the name of the request that ctx belongs to, "" outside of one.
func RequestID(ctx context.Context) string {
	if x := exchangeOf(ctx); x != nil {
		return x.id
	}
	return ""
}

func newRequestID() string {
	var chance [idBytes]byte
	rand.Read(chance[:]) // never fails: crypto/rand aborts the program instead
	return requestIDEncoding.EncodeToString(chance[:])
}

var requestIDEncoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567")

// WriteHeader notes the status. ServeMux answers a request that fits no route with a
// line of English: a problem goes in its place.
func (x *exchange) WriteHeader(status int) {
	if x.isNoRoute(status) {
		x.frame.answerNoRoute(x, status)
		x.replaced = true
		return
	}
	if x.status == 0 && (status >= http.StatusOK || status == http.StatusSwitchingProtocols) {
		x.status = status
	}
	x.ResponseWriter.WriteHeader(status)
}

// isNoRoute tells whether this is what ServeMux answers when no route fits.
func (x *exchange) isNoRoute(status int) bool {
	return (status == http.StatusNotFound || status == http.StatusMethodNotAllowed) &&
		x.request.Pattern == "" && x.status == 0 && x.code == "" &&
		strings.HasPrefix(x.Header().Get("Content-Type"), "text/plain")
}

// Write counts what is answered.
func (x *exchange) Write(p []byte) (int, error) {
	if x.replaced {
		return len(p), nil
	}
	if x.status == 0 {
		x.status = http.StatusOK
	}
	n, err := x.ResponseWriter.Write(p)
	x.bytes += int64(n)
	return n, err
}

// ReadFrom lets net/http send a file without copying it.
func (x *exchange) ReadFrom(from io.Reader) (int64, error) {
	if x.status == 0 {
		x.status = http.StatusOK
	}
	n, err := io.Copy(x.ResponseWriter, from)
	x.bytes += n
	return n, err
}

// Flush serves event streams.
func (x *exchange) Flush() {
	if x.status == 0 {
		x.status = http.StatusOK
	}
	_ = http.NewResponseController(x.ResponseWriter).Flush() // a writer that cannot flush does not buffer
}

// Unwrap gives http.ResponseController what lies under.
func (x *exchange) Unwrap() http.ResponseWriter { return x.ResponseWriter }
