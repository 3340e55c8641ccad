package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"

	"encaisse/acquirer/simulator"
	"encaisse/base/clock"
)

// maxScenarioFile is how long a scenario file may be.
const maxScenarioFile = 1 << 20

type acquirerCmd struct {
	Listen   string `help:"Address of the ISO 8583 host." default:"127.0.0.1:8583"`
	Control  string `help:"Address of the control: its page and its JSON." default:"127.0.0.1:8584"`
	Scenario string `help:"File of a scenario to begin with." type:"existingfile"`
	State    string `help:"File in which accounts, approvals and batches outlive a restart. Default: nowhere." type:"path"`
	Seed     uint64 `help:"Seed of what looks like chance." default:"1"`
}

func (c *acquirerCmd) Run(ctx context.Context, o output) error {
	host, err := simulator.New(simulator.Options{Clock: clock.Real{}, Log: o.log, Seed: c.Seed, State: c.State})
	if err != nil {
		return err
	}
	if c.Scenario != "" {
		if err := playFile(host, c.Scenario); err != nil {
			return err
		}
	}
	link, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", c.Listen, err)
	}
	control, err := net.Listen("tcp", c.Control)
	if err != nil {
		link.Close()
		return fmt.Errorf("listen on %s: %w", c.Control, err)
	}
	// One line of JSON first: what a script waits for.
	at := control.Addr().String()
	_ = json.NewEncoder(o.out).Encode(map[string]string{"listen": link.Addr().String(), "control": at, "page": "http://" + at + "/"})
	return serveAcquirer(ctx, host, link, control)
}

// serveAcquirer answers on both addresses until ctx ends.
func serveAcquirer(ctx context.Context, host *simulator.Simulator, link, control net.Listener) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	server := host.ControlServer()
	var running sync.WaitGroup
	var controlErr error
	running.Go(func() {
		defer stop()
		if err := server.Serve(control); !errors.Is(err, http.ErrServerClosed) {
			controlErr = err
		}
	})
	running.Go(func() {
		<-ctx.Done()
		drained, done := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
		defer done()
		_ = server.Shutdown(drained) // what is under way then is cut
	})
	err := host.Serve(ctx, link)
	stop()
	running.Wait()
	return errors.Join(err, controlErr)
}

func playFile(host *simulator.Simulator, path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.Size() > maxScenarioFile {
		return fmt.Errorf("%s is longer than %d bytes", path, maxScenarioFile)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	scenario, err := simulator.ParseScenario(text)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return host.Play(scenario)
}
