package api

import (
	"context"
	"io"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"encaisse/access"
	"encaisse/base/i18n"
	"encaisse/base/problem"
)

// humaContext lets call embed the interface whose name is also one of its methods.
type humaContext huma.Context

// call is one request on its way through huma.
type call struct {
	humaContext
	api       *API
	w         http.ResponseWriter
	r         *http.Request
	ctx       context.Context // the request's, with the call in it
	principal access.Principal
	answered  bool // with a problem: what huma writes after it is dropped
}

type callKey struct{}

func newCall(a *API, op *huma.Operation, w http.ResponseWriter, r *http.Request) *call {
	c := &call{humaContext: humago.NewContext(op, r, w), api: a, w: w, r: r}
	c.ctx = context.WithValue(r.Context(), callKey{}, c)
	return c
}

// callOf is the call that ctx belongs to. Handlers are never run without one.
func callOf(ctx context.Context) *call { return ctx.Value(callKey{}).(*call) }

// Context is what the handler gets.
func (c *call) Context() context.Context { return c.ctx }

// SetReadDeadline does nothing: the frame has read the body, within limits of its own.
func (c *call) SetReadDeadline(time.Time) error { return nil }

// Header is a header of the request. That of the media type was checked at the door,
// in whatever case it is written; huma, which minds the case, takes what is left out
// for JSON.
func (c *call) Header(name string) string {
	if name == "Content-Type" {
		return ""
	}
	return c.humaContext.Header(name)
}

// SetStatus answers, unless a problem has been answered.
func (c *call) SetStatus(status int) {
	if !c.answered {
		c.humaContext.SetStatus(status)
	}
}

// BodyWriter is the call itself.
func (c *call) BodyWriter() io.Writer { return c }

// Write writes the answer, or nothing once a problem has been answered. A client that
// is gone is no fault of ours: huma would panic over it.
func (c *call) Write(p []byte) (int, error) {
	if !c.answered {
		_, _ = c.w.Write(p)
	}
	return len(p), nil
}

// refuse answers with a problem.
func (c *call) refuse(err error) {
	if c.answered {
		return
	}
	c.answered = true
	if e := problem.As(err); e != nil && e.Code == mediaTypeCode {
		c.api.writeMediaType(c.w, c.r, e)
		return
	}
	c.api.frame.WriteProblem(c.w, c.r, err)
}

// enter is the check at the door: who calls, whether that is enough, and whether the
// body says it is what the operation reads.
func (c *call) enter(g guard) error {
	if g.public == "" {
		var err error
		if c.principal, err = c.api.doors.Gate.Authenticate(c.ctx, bearerOf(c.r)); err != nil {
			return err
		}
		if g.own == "" {
			if err := access.Allow(c.principal, g.permission); err != nil {
				return err
			}
		}
	}
	return c.checkBody()
}

// bearerOf is the token of a request; an empty one is nobody's.
func bearerOf(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// checkBody refuses a body of another media type than the operation reads. One that
// has no type is taken for it: the frame has checked it as text.
func (c *call) checkBody() error {
	body := c.Operation().RequestBody
	header := c.r.Header.Get("Content-Type")
	if body == nil || header == "" || header == jsonType && body.Content[jsonType] != nil {
		return nil
	}
	kind, _, err := mime.ParseMediaType(header)
	if err == nil && body.Content[kind] != nil {
		return nil
	}
	known := strings.Join(slices.Sorted(maps.Keys(body.Content)), ", ")
	return problem.New(problem.Malformed, mediaTypeCode, "known", known)
}

// language is the reader's.
func (c *call) language() i18n.Language { return i18n.Match(c.r.Header.Get("Accept-Language")) }
