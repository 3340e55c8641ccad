package sim

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"encaisse/base/clock"
	"encaisse/base/id"
)

const (
	// requestLimit is how long a client waits for one answer: longer than a
	// machine is ever busy, shorter than a test may hang.
	requestLimit = 2 * time.Minute
	// answerLimit bounds an answer that is read.
	answerLimit = 4 << 20
)

// Client speaks to a server with an API key.
type Client struct {
	URL, Key string

	http *http.Client
}

// NewClient makes a client that keeps its connections.
func NewClient(url, key string) Client {
	transport := &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}
	return Client{URL: url, Key: key, http: &http.Client{Transport: transport, Timeout: requestLimit}}
}

// Do sends one request and reads the whole answer. An error means that nobody
// knows what came of it.
func (c *Client) Do(method, path string, body []byte) (status int, answer []byte, err error) {
	request, err := http.NewRequestWithContext(context.Background(), method, c.URL+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	request.Header.Set("Authorization", "Bearer "+c.Key)
	request.Header.Set("Content-Type", "application/json")
	response, err := c.http.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	answer, err = io.ReadAll(io.LimitReader(response.Body, answerLimit))
	return response.StatusCode, answer, err
}

// Must sends a request that has to be answered with 200 or 201, and reads the answer.
func (c *Client) Must(t testing.TB, method, path string, body, into any) {
	t.Helper()
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			t.Fatal(err)
		}
	}
	status, answer, err := c.Do(method, path, text)
	if err != nil || status != http.StatusOK && status != http.StatusCreated {
		t.Fatalf("%s %s: status %d, error %v: %s", method, path, status, err, answer)
	}
	if into == nil {
		return
	}
	if err := json.Unmarshal(answer, into); err != nil {
		t.Fatalf("%s %s: %v: %s", method, path, err, answer)
	}
}

// Amount is money as the API writes it.
type Amount struct {
	Minor    int64  `json:"amount"`
	Currency string `json:"currency"`
}

// Euros is an amount in cents of the euro.
func Euros(minor int64) Amount { return Amount{minor, "EUR"} }

// NewID makes an identifier, as a till does before its first try.
func NewID[K id.Kind]() K { return id.New[K](clock.Real{}.Now()) }

// Basket is a sale a client wants sealed: it keeps id and body before the first
// try, and repeats the same bytes until it is answered.
type Basket struct {
	ID    string
	Body  []byte
	Total int64
}

// NewBasket asks for lines typed by hand, paid in cash to the cent. Lines are
// pairs of unit price in cents and VAT rate in basis points; a negative price is
// a returned piece.
func NewBasket(register string, lines ...[2]int64) Basket { return NewBasketIn(register, "", lines...) }

// NewBasketIn is NewBasket for a till session; the open one where it is empty.
func NewBasketIn(register, session string, lines ...[2]int64) Basket {
	b := Basket{ID: string(NewID[id.Sale]())}
	type line struct {
		Label    string `json:"label"`
		Quantity string `json:"quantity"`
		Rate     int64  `json:"vat_bp"`
		Unit     Amount `json:"unit_price"`
	}
	asked := make([]line, len(lines))
	for i, l := range lines {
		asked[i] = line{Label: fmt.Sprintf("Pain %d", i+1), Quantity: "1", Rate: l[1], Unit: Euros(l[0])}
		if l[0] < 0 {
			asked[i].Quantity, asked[i].Unit = "-1", Euros(-l[0])
		}
		b.Total += l[0]
	}
	body := map[string]any{"register_id": register, "lines": asked}
	if session != "" {
		body["session_id"] = session
	}
	if b.Total != 0 {
		body["tenders"] = []map[string]any{{"id": NewID[id.Tender](), "means": "cash", "amount": Euros(b.Total)}}
	}
	var err error
	if b.Body, err = json.Marshal(body); err != nil {
		panic(err) // of strings and integers
	}
	return b
}

// Sold is what the server says of a sealed sale.
type Sold struct {
	ID      string `json:"id"`
	Number  int64  `json:"number"`
	Session string `json:"session_id"`
	Total   Amount `json:"total"`
}

// Put sends a basket once.
func (c *Client) Put(b Basket) (status int, sold Sold, problem string, err error) {
	status, answer, err := c.Do(http.MethodPut, "/v1/sales/"+b.ID, b.Body)
	if err != nil {
		return 0, sold, "", err
	}
	if status != http.StatusOK && status != http.StatusCreated {
		var said struct {
			Code string `json:"code"`
		}
		if err := json.Unmarshal(answer, &said); err != nil {
			return status, sold, "", fmt.Errorf("status %d, no problem document: %w", status, err)
		}
		return status, sold, said.Code, nil
	}
	return status, sold, "", json.Unmarshal(answer, &sold)
}

// Open opens a register with an empty drawer and returns the till session.
func (c *Client) Open(t testing.TB, register string, float int64) (session string) {
	t.Helper()
	session = string(NewID[id.Session]())
	c.Must(t, http.MethodPut, "/v1/registers/"+register+"/openings/"+session, map[string]any{"float": Euros(float)}, nil)
	return session
}

// Totals are those of an X or a Z.
type Totals struct {
	First    int64  `json:"first_ticket"`
	Last     int64  `json:"last_ticket"`
	Tickets  int64  `json:"tickets"`
	Net      Amount `json:"net"`
	Cash     Amount `json:"cash"`
	Expected Amount `json:"expected"`
}

// X reads the totals of the open session.
func (c *Client) X(t testing.TB, register string) Totals {
	t.Helper()
	var x struct {
		Totals Totals `json:"totals"`
	}
	c.Must(t, http.MethodGet, "/v1/registers/"+register+"/x", nil, &x)
	return x.Totals
}

// Z closes the till session and returns what it sealed.
func (c *Client) Z(t testing.TB, register string) Totals {
	t.Helper()
	var z struct {
		Figures struct {
			Totals Totals `json:"totals"`
		} `json:"figures"`
	}
	c.Must(t, http.MethodPut, "/v1/registers/"+register+"/closings/"+string(NewID[id.Closing]()), map[string]any{"kind": "z"}, &z)
	return z.Figures.Totals
}

// Sales lists every sale there is, by id.
func (c *Client) Sales(t testing.TB) map[string]Sold {
	t.Helper()
	const pages = 10_000 // of a hundred: more than any test sells
	all := make(map[string]Sold)
	before := ""
	for range pages {
		var page struct {
			Sales []Sold `json:"sales"`
			Next  string `json:"next"`
		}
		path := "/v1/sales?limit=100"
		if before != "" {
			path += "&before=" + before
		}
		c.Must(t, http.MethodGet, path, nil, &page)
		for _, s := range page.Sales {
			if _, twice := all[s.ID]; twice {
				t.Fatalf("sale %s is listed twice", s.ID)
			}
			all[s.ID] = s
		}
		if before = page.Next; before == "" {
			return all
		}
	}
	t.Fatal("the list of sales has no end")
	return nil
}
