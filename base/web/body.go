package web

import (
	"bytes"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"encaisse/base/problem"
)

const (
	// trustedLength is how much memory a declared length may claim before its bytes
	// have come.
	trustedLength = 64 << 10

	formType = "application/x-www-form-urlencoded"
)

// readBody reads the body of r if it is text, refuses it if it is longer than most or
// not UTF-8, and leaves it for the handler to read again from memory. Other bodies
// (pictures, archives) stay a stream, cut at most.
func readBody(w http.ResponseWriter, r *http.Request, most int64) error {
	if r.Body == nil || r.Body == http.NoBody {
		return nil
	}
	if r.ContentLength > most {
		return tooLarge(most)
	}
	kind := mediaType(r.Header.Get("Content-Type"))
	if !carriesText(kind) {
		r.Body = http.MaxBytesReader(w, r.Body, most)
		return nil
	}
	text, err := readText(r, most)
	if err != nil {
		return err
	}
	if !utf8.Valid(text) || kind == formType && !isEncodedText(string(text)) {
		return notUTF8()
	}
	body := &memory{}
	body.Reset(text)
	r.Body, r.ContentLength = body, int64(len(text))
	return nil
}

func readText(r *http.Request, most int64) ([]byte, error) {
	if n := r.ContentLength; n >= 0 && n <= trustedLength {
		text := make([]byte, n)
		if _, err := io.ReadFull(r.Body, text); err != nil {
			return nil, problem.New(problem.Malformed, "request.body_unreadable").Because(err)
		}
		return text, nil
	}
	text, err := io.ReadAll(io.LimitReader(r.Body, most+1))
	switch {
	case err != nil:
		return nil, problem.New(problem.Malformed, "request.body_unreadable").Because(err)
	case int64(len(text)) > most:
		return nil, tooLarge(most)
	}
	return text, nil
}

// memory is a body that was read already.
type memory struct{ bytes.Reader }

// Close has nothing to close.
func (*memory) Close() error { return nil }

func mediaType(header string) string {
	if header == "" || header == "application/json" {
		return header
	}
	kind, _, err := mime.ParseMediaType(header)
	if err != nil {
		return ""
	}
	return kind
}

// carriesText tells whether a body of this type is text; one without a type is taken
// for it, so that leaving the type out avoids no check.
func carriesText(kind string) bool {
	switch kind {
	case "", formType, "application/json", "application/xml":
		return true
	}
	return strings.HasPrefix(kind, "text/") || strings.HasSuffix(kind, "+json") || strings.HasSuffix(kind, "+xml")
}

func isText(s string) bool { return utf8.ValidString(s) }

// isEncodedText tells whether a query or a form is UTF-8 once its %XX are decoded. One
// that cannot be decoded is left to whoever reads it.
func isEncodedText(s string) bool {
	if strings.IndexByte(s, '%') < 0 {
		return isText(s)
	}
	decoded, err := url.QueryUnescape(s)
	return err != nil || isText(decoded)
}

func notUTF8() error { return problem.New(problem.Malformed, "request.not_utf8") }

func tooLarge(most int64) error {
	return problem.New(problem.TooLarge, "request.too_large", "most_kib", most>>10)
}
