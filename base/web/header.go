package web

import (
	"net/http"
	"strings"
)

// header is one header that all answers have; its value is shared by them, and a
// handler that wants another sets its own.
type header struct {
	name  string
	value []string
}

func securityHeaders() []header {
	return []header{
		// Answers are about money: nobody keeps them but those that say so themselves.
		{"Cache-Control", []string{"no-store"}},
		{"Content-Security-Policy", []string{"default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; " +
			"form-action 'self'; frame-ancestors 'none'"}},
		{"Cross-Origin-Opener-Policy", []string{"same-origin"}},
		{"Cross-Origin-Resource-Policy", []string{"same-origin"}},
		// The camera reads barcodes.
		{"Permissions-Policy", []string{"camera=(self), geolocation=(), microphone=()"}},
		// Not no-referrer: it would make the Origin of our own forms null.
		{"Referrer-Policy", []string{"same-origin"}},
		{"X-Content-Type-Options", []string{"nosniff"}},
	}
}

const (
	// tokenWildcard begins the wildcards of routes whose path holds a secret, by
	// convention: "/p/{token}". Such a path is logged as its route.
	tokenWildcard = "{token"

	// cardDigits is how many digits in a row a path may show in the log: the shortest
	// card numbers have twelve.
	cardDigits  = 12
	maxLogPath  = 120
	maskedDigit = '#'
)

// route is what the access log says of where a request went: its path without the
// query, or its route's pattern where the path holds a secret.
func route(r *http.Request) string {
	if strings.Contains(r.Pattern, tokenWildcard) {
		return r.Pattern
	}
	path := r.URL.Path
	if len(path) > maxLogPath {
		path = path[:maxLogPath]
	}
	return mask(path)
}

// mask hides runs of digits that could be a card number, blanks and dashes between
// them included.
func mask(path string) string {
	digits, start := 0, -1
	var out []byte
	flush := func(end int) {
		if digits >= cardDigits {
			if out == nil {
				out = []byte(path)
			}
			for i := start; i < end; i++ {
				out[i] = maskedDigit
			}
		}
		digits, start = 0, -1
	}
	for i := range len(path) {
		switch c := path[i]; {
		case c >= '0' && c <= '9':
			if start < 0 {
				start = i
			}
			digits++
		case c == '-' || c == ' ' || c == '.' || c == '+':
		default:
			flush(i)
		}
	}
	flush(len(path))
	if out == nil {
		return path
	}
	return string(out)
}
