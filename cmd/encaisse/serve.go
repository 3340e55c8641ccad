package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"encaisse/base/clock"
	"encaisse/base/i18n"
	"encaisse/base/job"
	"encaisse/base/web"
	"encaisse/batch"
	"encaisse/fiscal"
	"encaisse/front/api"
	"encaisse/merchant"
	"encaisse/sale"
)

const (
	checkpointEvery = time.Hour
	pruneEvery      = time.Hour        // old sign-in tries and sessions
	watchEvery      = 10 * time.Second // how often the wall clock is held against the monotonic one
	drainTime       = 10 * time.Second // what requests under way have to end in at a stop
)

type serveCmd struct {
	databaseFlags
	cardFlags
	Listen       string         `help:"Address to listen on." default:"127.0.0.1:8080"`
	TrustedProxy []netip.Prefix `help:"Network of a proxy in front, whose X-Forwarded-For is believed. May be given again." placeholder:"CIDR"`
}

func (c *serveCmd) Run(ctx context.Context, o output) error {
	connectors, disconnect := c.connect(clock.Real{}, o.log)
	defer disconnect()
	h, err := c.open(ctx, o.log, clock.Real{}, connectors)
	if err != nil {
		return err
	}
	defer h.db.Close()
	return h.serve(ctx, c.Listen, c.TrustedProxy, func(url string) {
		// One line of JSON first: what a script waits for.
		_ = json.NewEncoder(o.out).Encode(map[string]string{"url": url, "version": version, "checkpoints": h.checkpoints.Path()})
	})
}

// serve answers on an address until ctx ends, then lets requests under way finish.
func (h *house) serve(ctx context.Context, listen string, proxies web.Proxies, ready func(url string)) error {
	catalogue, err := i18n.New()
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", listen, err)
	}
	door, err := api.New(api.Doors{
		Gate: h.gate, Merchants: h.merchants, Catalog: h.catalog, Sales: h.sales, Events: h.events,
		Journal: fiscal.NewReader(h.db), Catalogue: catalogue, Clock: h.clock, Log: h.log, Software: version, Proxies: proxies,
		Cards: &api.Cards{
			Payments: h.payments, Terminals: h.readers, Contracts: h.contracts, Batches: h.batches, Devices: h.readers.Serve(h.payments),
		},
	})
	if err != nil {
		listener.Close()
		return err
	}
	h.refuse = door.WriteProblem
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	h.start(background, &running)
	server := door.Server()
	running.Go(func() {
		<-ctx.Done()
		drained, done := context.WithTimeout(background, drainTime)
		defer done()
		_ = server.Shutdown(drained)
		stop()
	})
	ready("http://" + listener.Addr().String())
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	running.Wait()
	return h.writeCheckpoints(context.WithoutCancel(ctx)) // of what was sealed since the last hour or Z
}

// start runs what goes on beside the requests, until ctx ends.
func (h *house) start(ctx context.Context, running *sync.WaitGroup) {
	h.jobs.Handle(sale.JobDay, func(ctx context.Context, j job.Job) error { return h.sales.RunDay(ctx, j) })
	h.jobs.Handle(sale.JobCheckpoint, func(ctx context.Context, j job.Job) error {
		_, err := h.checkpoints.Write(ctx, h.db, j.Merchant)
		return err
	})
	h.jobs.Handle(batch.JobClose, h.batches.RunClose)
	h.jobs.Handle(batch.JobSend, h.batches.RunSend)
	running.Go(func() { h.jobs.Run(ctx) })
	running.Go(func() { h.readers.Run(ctx) })
	running.Go(func() { h.payments.Run(ctx) })
	running.Go(func() { h.events.Run(ctx, func(err error) { h.log.Error("number events", "error", err) }) })
	running.Go(func() { h.every(ctx, checkpointEvery, "write checkpoints", h.writeCheckpoints) })
	running.Go(func() { h.every(ctx, pruneEvery, "prune sessions", h.prune) })
	running.Go(func() { h.every(ctx, watchEvery, "watch the clock", h.clockWatch()) })
}

// every runs one task again and again; its errors are logged and it goes on.
func (h *house) every(ctx context.Context, pause time.Duration, name string, task func(context.Context) error) {
	for {
		if err := task(ctx); err != nil && ctx.Err() == nil {
			h.log.Error(name, "error", err)
		}
		again := make(chan struct{})
		timer := h.clock.AfterFunc(pause, func() { close(again) })
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-again:
		}
	}
}

func (h *house) prune(ctx context.Context) error {
	if _, err := h.gate.Prune(ctx); err != nil {
		return err
	}
	return h.readers.Prune(ctx)
}

func (h *house) writeCheckpoints(ctx context.Context) error {
	merchants, err := merchant.All(ctx, h.db)
	for _, m := range merchants {
		if _, err := h.checkpoints.Write(ctx, h.db, m); err != nil {
			return err
		}
	}
	return err
}

// clockWatch makes the task that journals a jump of the machine's clock.
func (h *house) clockWatch() func(context.Context) error {
	watch := clock.NewWatch()
	return func(ctx context.Context) error {
		jump, jumped := watch.Jumped()
		if !jumped {
			return nil
		}
		h.log.Warn("the clock jumped", "by", jump.By, "to", jump.Now)
		return h.journal.ClockJumped(ctx, h.db, jump)
	}
}
