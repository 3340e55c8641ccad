package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"encaisse/acquirer"
	"encaisse/acquirer/iso8583"
	"encaisse/acquirer/simulator"
	"encaisse/base/card"
	"encaisse/base/clock"
	"encaisse/base/id"
	"encaisse/terminal"
)

// bank is the simulated acquirer inside a reader that stands alone: it answers,
// and keeps no batch. It is for trying a till's protocol, not for counting money.
type bank struct {
	contract  simulator.Contract
	key       card.PrivateKey
	connector *iso8583.Connector
	traces    atomic.Int64
}

const (
	bankTerminal  = "00000001"
	bankZone      = "Europe/Paris"
	bankLimit     = 50_00 // contactless, without code
	maxTrace      = 999_999
	bankAmex      = "9876543210"
	bankCategory  = "5462" // bakeries
	bankCountry   = "250"
	bankKeyOfTest = "a key for the fingerprints of test cards"
)

// openBank starts the simulated host on a free port of this machine.
func openBank(ctx context.Context, log *slog.Logger, running *sync.WaitGroup) (*bank, error) {
	contract := simulator.DemoContract()
	contract.Schemes[card.Amex] = bankAmex
	host, err := simulator.New(simulator.Options{Clock: clock.Real{}, Log: log, Contracts: []simulator.Contract{contract}})
	if err != nil {
		return nil, err
	}
	key, err := card.NewKey()
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("the simulated host: %w", err)
	}
	running.Go(func() {
		if err := host.Serve(ctx, listener); err != nil {
			log.Error("the simulated host", "error", err)
		}
	})
	b := &bank{contract: contract, key: key}
	b.connector = iso8583.New(iso8583.Options{Link: iso8583.LinkOptions{Address: listener.Addr().String(), Clock: clock.Real{}}})
	running.Go(func() {
		<-ctx.Done()
		b.connector.Close()
	})
	return b, nil
}

// parameters are what the reader works with.
func (b *bank) parameters() *terminal.Parameters {
	return &terminal.Parameters{
		Version: 1, Merchant: b.contract.Name, Alias: "Démonstration", Number: 1, Acceptor: b.contract.Acceptor, TerminalID: bankTerminal,
		Currency: b.contract.Currency, Zone: bankZone, Schemes: b.contract.Schemes, ContactlessMax: bankLimit, CVMRequired: bankLimit,
		PublicKey: b.key.Public().Bytes(), FingerprintKey: []byte(bankKeyOfTest), BudgetSeconds: 60, Batch: 1, Language: "fr",
	}
}

// Authorise implements emulator.Authoriser.
func (b *bank) Authorise(ctx context.Context, r terminal.Request) (terminal.Answer, error) {
	zone, err := time.LoadLocation(bankZone)
	if err != nil {
		return terminal.Answer{}, err
	}
	kind := acquirer.Purchase
	if r.Kind != terminal.Payment {
		kind = acquirer.Refund // without books there is no batch to take a sale out of
	}
	out := b.connector.Authorise(ctx, acquirer.Authorisation{
		Trace: acquirer.Trace{
			Operation: id.New[id.Operation](r.At), Terminal: bankTerminal, Number: b.traces.Add(1)%maxTrace + 1, At: r.At, Zone: zone,
		},
		Contract: acquirer.Contract{
			Acceptor: b.contract.Acceptor, MCC: bankCategory, Name: b.contract.Name, Country: bankCountry, Affiliated: b.contract.Schemes, Key: b.key,
		},
		Kind: kind, Amount: r.Amount, Card: r.Card, About: string(r.Attempt),
	})
	a := terminal.Answer{Approved: out.Result == acquirer.Approved, Code: out.Code, Approval: out.Approval, Issuer: out.Issuer}
	switch {
	case a.Approved:
	case out.Result != acquirer.Declined:
		a.Code, a.Cause = "Z3", terminal.CauseHost
	default:
		a.Cause = causeOf(out.Decline)
	}
	return a, nil
}

// causeOf is what a refusal means to a reader.
func causeOf(d acquirer.Decline) terminal.Cause {
	switch d {
	case acquirer.DeclineInsert:
		return terminal.CauseInsert
	case acquirer.DeclineScheme:
		return terminal.CauseScheme
	case acquirer.DeclineAffiliation:
		return terminal.CauseAffiliation
	case acquirer.DeclineExpired:
		return terminal.CauseCardInvalid
	case acquirer.DeclinePIN, acquirer.DeclinePINTries:
		return terminal.CausePIN
	}
	return terminal.CauseRefused
}
