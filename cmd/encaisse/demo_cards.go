package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"sync"

	"encaisse/access"
	"encaisse/acquirer/simulator"
	"encaisse/base/clock"
	"encaisse/base/i18n"
	"encaisse/base/id"
	"encaisse/contract"
	"encaisse/terminal"
	"encaisse/terminal/emulator"
	"encaisse/terminal/nexo"
)

// demoCards is what the demo takes cards with: a simulated acquirer on a real
// socket and an emulated reader, each with its page.
type demoCards struct {
	host       *simulator.Simulator
	hostLink   net.Listener // ISO 8583
	hostPage   net.Listener
	readerPage net.Listener
	folder     string
	running    sync.WaitGroup
}

// openDemoCards opens the addresses beside the demo's own: the next two ports,
// or any where the demo's is any.
func openDemoCards(o output, folder, listen string) (d *demoCards, err error) {
	d = &demoCards{folder: folder}
	if d.host, err = simulator.New(simulator.Options{Clock: clock.Real{}, Log: o.log, Seed: 1, State: filepath.Join(folder, "acquirer.json")}); err != nil {
		return nil, err
	}
	hostname, port, err := net.SplitHostPort(listen)
	if err != nil {
		return nil, err
	}
	next, err := strconv.Atoi(port)
	if err != nil {
		return nil, err
	}
	for i, to := range []*net.Listener{&d.readerPage, &d.hostPage, &d.hostLink} {
		at := 0 // any
		if next != 0 && i < 2 {
			at = next + 1 + i
		}
		*to, err = net.Listen("tcp", net.JoinHostPort(hostname, strconv.Itoa(at)))
		if err != nil && at != 0 { // taken by something else: any will do
			*to, err = net.Listen("tcp", net.JoinHostPort(hostname, "0"))
		}
		if err != nil {
			d.close()
			return nil, fmt.Errorf("listen beside %s: %w", listen, err)
		}
	}
	return d, nil
}

// close gives back the addresses of what never ran.
func (d *demoCards) close() {
	for _, l := range []net.Listener{d.hostLink, d.hostPage, d.readerPage} {
		if l != nil {
			l.Close()
		}
	}
}

// runReader answers as reader until ctx ends; pair gives it a code where it is
// with nobody yet.
func (d *demoCards) runReader(ctx context.Context, hub string, pair func() (code string, err error), o output) error {
	reader, err := emulator.New(emulator.Options{
		Log: o.log, Protocol: nexo.New(version), Hub: hub, State: filepath.Join(d.folder, "terminal.json"),
	})
	if err != nil {
		return err
	}
	catalogue, err := i18n.New()
	if err != nil {
		return err
	}
	control, err := emulator.NewControl(reader, catalogue)
	if err != nil {
		return err
	}
	d.serve(ctx, control.Server(), d.readerPage)
	if !reader.Paired() {
		code, err := pair()
		if err != nil {
			return err
		}
		if err := reader.Pair(ctx, code); err != nil {
			return err
		}
	}
	reader.Start()
	<-ctx.Done()
	return reader.Close()
}

// runHost answers as acquirer until ctx ends.
func (d *demoCards) runHost(ctx context.Context) {
	d.running.Go(func() { _ = d.host.Serve(ctx, d.hostLink) })
	d.serve(ctx, d.host.ControlServer(), d.hostPage)
}

func (d *demoCards) serve(ctx context.Context, server *http.Server, at net.Listener) {
	d.running.Go(func() { _ = server.Serve(at) })
	d.running.Go(func() {
		<-ctx.Done()
		drained, done := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
		defer done()
		_ = server.Shutdown(drained)
	})
}

// demoTerminal makes the demo's contract and terminal where they are not there.
func (h *house) demoTerminal(ctx context.Context, s *demoState) error {
	boss := access.System(id.Merchant(s.Founded.Merchant))
	terms := simulator.DemoContract()
	made, _, err := h.contracts.Put(ctx, boss, contract.Contract{
		ID: id.New[id.Contract](h.clock.Now()), Name: "Banque de démonstration", Connector: isoConnector, Acceptor: terms.Acceptor,
		MCC: "5462", City: "Les Halles", BatchAt: contract.DefaultBatchAt, ContactlessMax: contract.DefaultContactlessMax,
		CVMRequired: contract.DefaultCVMRequired, Schemes: terms.Schemes,
	})
	if err != nil {
		return err
	}
	reader, _, err := h.readers.Put(ctx, boss, terminal.Terminal{
		ID: id.New[id.Terminal](h.clock.Now()), Site: id.Site(s.Founded.Site), Register: id.Register(s.Founded.Till),
		Contract: made.ID, Alias: "Comptoir",
	})
	s.Terminal = string(reader.ID)
	return err
}
