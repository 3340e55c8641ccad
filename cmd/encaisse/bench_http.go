package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"encaisse/base/id"
)

// benchServer is the product's own server on a socket of its own, and clients
// that keep their connections.
type benchServer struct {
	bench *bench
	url   string
	stop  func()

	client *http.Client

	mu        sync.Mutex
	latencies []time.Duration
}

func (b *bench) startHTTP(ctx context.Context) (*benchServer, error) {
	serving, stop := context.WithCancel(ctx)
	ready := make(chan string, 1)
	ended := make(chan error, 1)
	go func() { ended <- b.house.serve(serving, "127.0.0.1:0", nil, func(url string) { ready <- url }) }()
	select {
	case err := <-ended:
		stop()
		return nil, err
	case url := <-ready:
		s := &benchServer{bench: b, url: url, client: &http.Client{
			Transport: &http.Transport{MaxIdleConns: b.cmd.Clients, MaxIdleConnsPerHost: b.cmd.Clients, DisableCompression: true},
		}}
		s.stop = func() {
			stop()
			<-ended
		}
		return s, nil
	}
}

// sell makes one sale as an integrator's program would: one PUT, one answer.
func (s *benchServer) sell(ctx context.Context, of *shop, _ int) error {
	now := s.bench.house.clock.Now()
	total := 3*of.articles[0].Price.Minor + of.articles[1].Price.Minor
	body := fmt.Appendf(nil, `{"register_id":%q,"lines":[{"article_id":%q,"quantity":"2"},{"article_id":%q,"quantity":"1"},`+
		`{"article_id":%q,"quantity":"1"}],"tenders":[{"id":%q,"means":"cash","amount":{"amount":%d,"currency":"EUR"}}]}`,
		of.register, of.articles[0].ID, of.articles[0].ID, of.articles[1].ID, id.New[id.Tender](now), total)
	url := s.url + "/v1/sales/" + string(id.New[id.Sale](now))
	began := time.Now()
	request, err := http.NewRequestWithContext(ctx, http.MethodPut, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+of.key)
	request.Header.Set("Content-Type", "application/json")
	answer, err := s.client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusCreated {
		return fmt.Errorf("sale answered %d: %s", answer.StatusCode, text)
	}
	took := time.Since(began)
	s.mu.Lock()
	s.latencies = append(s.latencies, took)
	s.mu.Unlock()
	return nil
}
