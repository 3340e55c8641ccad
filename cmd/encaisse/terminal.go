package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"encaisse/base/clock"
	"encaisse/base/i18n"
	"encaisse/terminal/emulator"
	"encaisse/terminal/nexo"
)

type terminalCmd struct {
	Hub        string        `help:"Base URL of the hub, such as http://127.0.0.1:8080. Without it, use --standalone."`
	Code       string        `help:"Pairing code, as the register shows it. Not needed again with --state."`
	Control    string        `help:"Address of the page and the JSON that stand for the person in front of the reader." default:"127.0.0.1:0"`
	State      string        `help:"File in which the reader remembers what it did. Default: nowhere." type:"path"`
	Local      string        `help:"Address of a local nexo endpoint for other tills; empty: none."`
	Passphrase string        `help:"Passphrase of the local endpoint; empty: drawn, and printed."`
	Clear      bool          `help:"Let the local endpoint take messages that are not encrypted, too."`
	Standalone bool          `help:"No hub: a simulated acquirer inside answers what the local endpoint asks."`
	Serial     string        `help:"Serial number; empty: drawn, or what --state remembers."`
	Sleep      time.Duration `help:"After how long without work it goes to sleep; 0: never by itself." default:"10m"`
	Seed       uint64        `help:"Seed of what looks like chance; 0: drawn, and printed." default:"0"`
}

// terminalStarted is the first line the command prints.
type terminalStarted struct {
	Control    string `json:"control"`
	Reader     string `json:"reader"`
	Seed       uint64 `json:"seed"`
	Local      string `json:"local,omitempty"`
	Key        string `json:"key_identifier,omitempty"`
	Version    int    `json:"key_version,omitempty"`
	Passphrase string `json:"passphrase,omitempty"`
	Authority  string `json:"authority,omitempty"` // PEM: what clients of the local endpoint trust
}

// The one key of the local endpoint.
const (
	localKeyIdentifier = "emulator"
	localKeyVersion    = 1
)

func (c *terminalCmd) Run(ctx context.Context, o output) error {
	if (c.Hub == "") != c.Standalone {
		return errors.New("terminal: give either --hub or --standalone")
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	options := emulator.Options{
		Clock: clock.Real{}, Log: o.log, Protocol: nexo.New(version), Hub: c.Hub, State: c.State, Serial: c.Serial, Seed: c.Seed, SleepAfter: c.Sleep,
	}
	var running sync.WaitGroup
	defer running.Wait()
	defer stop()
	if c.Standalone {
		bank, err := openBank(ctx, o.log, &running)
		if err != nil {
			return err
		}
		options.Parameters, options.Authoriser = bank.parameters(), bank
	}
	reader, err := emulator.New(options)
	if err != nil {
		return err
	}
	defer reader.Close()
	if c.Code != "" && !reader.Paired() {
		if err := reader.Pair(ctx, c.Code); err != nil {
			return err
		}
	}
	started := terminalStarted{Reader: reader.ID(), Seed: reader.Seed()}
	servers, err := c.servers(reader, &started)
	if err != nil {
		return err
	}
	reader.Start()
	if err := json.NewEncoder(o.out).Encode(started); err != nil { // what a script waits for
		return err
	}
	return serveAll(ctx, servers)
}

// doorway is a server and where it listens.
type doorway struct {
	server   *http.Server
	listener net.Listener
}

// servers opens the control and, where it is wanted, the local endpoint.
func (c *terminalCmd) servers(reader *emulator.Emulator, started *terminalStarted) ([]doorway, error) {
	catalogue, err := i18n.New()
	if err != nil {
		return nil, err
	}
	control, err := emulator.NewControl(reader, catalogue)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", c.Control)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", c.Control, err)
	}
	started.Control = "http://" + listener.Addr().String()
	out := []doorway{{control.Server(), listener}}
	if c.Local == "" {
		return out, nil
	}
	local, err := c.local(reader, started)
	if err != nil {
		listener.Close()
		return nil, err
	}
	return append(out, local), nil
}

func (c *terminalCmd) local(reader *emulator.Emulator, started *terminalStarted) (doorway, error) {
	listener, err := net.Listen("tcp", c.Local)
	if err != nil {
		return doorway{}, fmt.Errorf("listen on %s: %w", c.Local, err)
	}
	if started.Passphrase = c.Passphrase; c.Passphrase == "" {
		started.Passphrase = rand.Text()
	}
	started.Key, started.Version = localKeyIdentifier, localKeyVersion
	key, err := nexo.DeriveKey(localKeyIdentifier, localKeyVersion, started.Passphrase)
	if err != nil {
		return doorway{}, errors.Join(err, listener.Close())
	}
	ring, err := nexo.NewRing(key)
	if err != nil {
		return doorway{}, errors.Join(err, listener.Close())
	}
	certificate, authority, err := emulator.NewCertificate(reader.ID(), clock.Real{}.Now(), addressOf(listener)...)
	if err != nil {
		return doorway{}, errors.Join(err, listener.Close())
	}
	started.Local, started.Authority = "https://"+listener.Addr().String()+"/nexo/", string(authority)
	server := emulator.NewLocal(reader, emulator.LocalOptions{Keys: ring, Clear: c.Clear}).Server(certificate)
	return doorway{server, tls.NewListener(listener, server.TLSConfig)}, nil
}

// addressOf is the IP address a listener has, where it is one.
func addressOf(l net.Listener) []net.IP {
	if at, ok := l.Addr().(*net.TCPAddr); ok && !at.IP.IsUnspecified() {
		return []net.IP{at.IP}
	}
	return []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
}

// serveAll serves until ctx ends or one of the servers fails.
func serveAll(ctx context.Context, doorways []doorway) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	failed := make([]error, len(doorways))
	var serving sync.WaitGroup
	for i, d := range doorways {
		serving.Go(func() {
			defer stop()
			if err := d.server.Serve(d.listener); !errors.Is(err, http.ErrServerClosed) {
				failed[i] = err
			}
		})
	}
	<-ctx.Done()
	for _, d := range doorways {
		_ = d.server.Close() // streams and payments under way end here: the reader remembers them
	}
	serving.Wait()
	return errors.Join(failed...)
}
