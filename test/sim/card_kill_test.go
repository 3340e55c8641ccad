package sim_test

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"encaisse/acquirer/simulator"
	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/terminal/emulator"
	"encaisse/terminal/nexo"
	"encaisse/test/sim"
)

// moments are when the program is killed: by chance, or when the host has all
// the requests, has approved some and not answered others.
var moments = [...]string{"chance", "chance", "chance", "asked"}

const (
	// killReaders is how many readers are at a payment when it is killed.
	killReaders = 4
	// killWithin is until when after the tender was asked for it is killed by
	// chance: a payment on an idle machine takes no longer.
	killWithin = 150 * time.Millisecond
	// slowHost is how long the host takes for an answer that the program does not live to see.
	slowHost = 20 * time.Second
	// killPatience is how long something takes at most that a dead process left
	// behind: a lease, and the next try.
	killPatience = 3 * time.Minute
)

// victim is a shop whose program is killed, with readers and a bank that live on.
type victim struct {
	t        *testing.T
	random   *rand.Rand
	shop     *sim.Shop
	host     *simulator.Simulator
	listen   string // of the host
	address  atomic.Pointer[string]
	server   *sim.Process
	client   sim.Client
	readers  []*emulator.Emulator
	ids      []string
	said     []byte // by the programs that were killed
	approved int    // how many the host had approved before a round
}

// serve starts the program on the shop.
func (v *victim) serve() {
	v.t.Helper()
	v.server = sim.Start(v.t, "serve", "--db", v.shop.DSN, "--key-file", v.shop.KeyFile, "--checkpoints", v.shop.Checkpoints,
		"--listen", "127.0.0.1:0", "--acquirer", v.listen)
	var said struct {
		URL string `json:"url"`
	}
	if err := json.Unmarshal([]byte(v.server.FirstLine()), &said); err != nil {
		v.t.Fatalf("%v: %s", err, v.server.Stderr())
	}
	address := said.URL[len("http://"):]
	v.address.Store(&address)
	v.client = sim.NewClient(said.URL, v.shop.APIKey)
}

// equip signs a contract, makes terminals and pairs readers, over HTTP.
func (v *victim) equip() {
	v.t.Helper()
	contract := string(sim.NewID[id.Contract]())
	v.client.Must(v.t, http.MethodPut, "/v1/contracts/"+contract, object{
		"name": "Banque imaginaire", "connector": cardConnector, "acceptor": simulator.DemoContract().Acceptor, "mcc": "5462", "city": "Lyon",
		"schemes": []object{{"scheme": "cb"}, {"scheme": "visa"}, {"scheme": "mastercard"}, {"scheme": "maestro"}},
	}, nil)
	for i := range killReaders {
		reader := string(sim.NewID[id.Terminal]())
		v.client.Must(v.t, http.MethodPut, "/v1/terminals/"+reader, object{
			"site_id": v.shop.Site, "contract_id": contract, "alias": "Comptoir " + string(rune('A'+i)),
		}, nil)
		var given struct {
			Code string `json:"code"`
		}
		v.client.Must(v.t, http.MethodPost, "/v1/terminals/"+reader+"/pairing-code", nil, &given)
		e, err := emulator.New(emulator.Options{
			Protocol: nexo.New("test"), Hub: "http://hub.example", Serial: "27501" + string(rune('1'+i)), Seed: uint64(i + 1),
			Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, network, *v.address.Load())
			},
		})
		if err != nil {
			v.t.Fatal(err)
		}
		v.t.Cleanup(func() { _ = e.Close() })
		e.Start()
		if err := e.Pair(v.t.Context(), given.Code); err != nil {
			v.t.Fatal(err)
		}
		v.readers, v.ids = append(v.readers, e), append(v.ids, reader)
	}
}

// round has every reader paid at once, kills the program in the midst of it,
// starts it again, and repeats what nobody answered, under the same ids.
func (v *victim) round(n int) {
	v.t.Helper()
	for _, e := range v.readers {
		sim.Until(v.t, e.Connected)
	}
	type asked struct {
		sale, tender string
		body         []byte
	}
	var all []asked
	for i := range v.readers {
		minor := int64(1_000 + 10*n + i)
		a := asked{sale: string(sim.NewID[id.Sale]()), tender: string(sim.NewID[id.Tender]())}
		v.client.Must(v.t, http.MethodPut, "/v1/sales/"+a.sale, object{
			"register_id": v.shop.Till, "open": true, "lines": []object{{"label": "Panier", "vat_bp": 550, "unit_price": sim.Euros(minor)}},
		}, nil)
		a.body, _ = json.Marshal(object{"means": "card", "amount": sim.Euros(minor), "terminal_id": v.ids[i]}) // strings and integers
		v.readers[i].Next(emulator.Hand{Card: []string{"cb", "mastercard", "visa", "maestro"}[i]})
		all = append(all, a)
	}
	v.approved = len(v.host.Approvals())
	if moments[n] == "asked" {
		slow := func(card string) simulator.Step {
			return simulator.Step{Match: simulator.Match{MTI: "01", Card: card}, Do: simulator.DoAnswer, DelayMS: slowHost.Milliseconds()}
		}
		err := v.host.Play(simulator.Scenario{Steps: []simulator.Step{slow("cb"), slow("visa")}})
		if err != nil {
			v.t.Fatal(err)
		}
	}
	var tills sync.WaitGroup
	for _, a := range all {
		tills.Go(func() { _, _, _ = v.client.Do(http.MethodPut, "/v1/sales/"+a.sale+"/tenders/"+a.tender, a.body) }) // the program may die of it
	}
	v.await(moments[n])
	v.server.Kill()
	v.said = append(v.said, v.server.Stderr()...)
	v.host.Clear()
	tills.Wait()
	v.serve()
	for _, a := range all {
		status, answer, err := v.client.Do(http.MethodPut, "/v1/sales/"+a.sale+"/tenders/"+a.tender, a.body)
		if err != nil || status >= http.StatusInternalServerError {
			v.t.Errorf("the same tender again: status %d, %v: %s", status, err, answer)
		}
	}
}

// await waits for the moment at which the program is killed.
func (v *victim) await(moment string) {
	v.t.Helper()
	switch moment {
	case "asked": // approved is decided, and not always answered
		sim.Until(v.t, func() bool { return len(v.host.Approvals()) >= v.approved+killReaders })
	default:
		now := make(chan struct{})
		time.AfterFunc(time.Duration(v.random.Int64N(int64(killWithin))), func() { close(now) })
		<-now
	}
}

// TestCardKill kills the real program, as kill -9 does, while every reader of a
// shop is at a payment: at a random moment, again and again. What is left is put
// in order by the next process, and books and bank agree to the cent.
func TestCardKill(t *testing.T) {
	soakOnly(t)
	t.Parallel()
	v := &victim{t: t, random: sim.Seed(t)}
	host, err := simulator.New(simulator.Options{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- host.Serve(ctx, listener) }()
	t.Cleanup(func() { stop(); <-served })
	v.host, v.listen, v.shop = host, listener.Addr().String(), sim.Found(t, db.SQLite)
	v.shop.KeepDay(t)
	v.serve()
	v.equip()
	v.client.Open(t, v.shop.Till, 0)
	for n := range moments {
		v.round(n)
		v.rest()
	}
	var page struct {
		Batches []struct {
			ID string `json:"id"`
		} `json:"batches"`
	}
	v.client.Must(t, http.MethodGet, "/v1/batches", nil, &page)
	for _, b := range page.Batches {
		v.client.Must(t, http.MethodPost, "/v1/batches/"+b.ID+"/close", nil, nil)
	}
	v.rest()
	v.server.Stop()
	v.shop.MustVerify(t)
	v.agree()
	for name, place := range map[string][]byte{"database": databaseBytes(t, v.shop.File()), "log": append(v.said, v.server.Stderr()...)} {
		if names := found(cardNeedles(), place); len(names) > 0 {
			t.Errorf("the %s has %v", name, names)
		}
	}
}

// rest waits until nothing is open.
func (v *victim) rest() {
	v.t.Helper()
	watch := sim.Watch(v.t, v.shop.DSN)
	defer watch.Close()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	what := ""
	for late := time.After(killPatience); ; {
		sim.Read(v.t, watch, func(tx *db.Tx) (err error) {
			what, err = restless(tx)
			return err
		})
		if what == "" {
			return
		}
		select {
		case <-late:
			v.t.Fatalf("no rest after %s: %s", killPatience, what)
		case <-tick.C:
		}
	}
}

// agree holds the books against the bank's.
func (v *victim) agree() {
	v.t.Helper()
	watch := sim.Watch(v.t, v.shop.DSN)
	sim.Read(v.t, watch, func(tx *db.Tx) error {
		broken, err := brokenRules(tx)
		if err != nil {
			return err
		}
		b, err := readBooks(tx, v.host)
		if err != nil {
			return err
		}
		states := make(map[string]int)
		for _, p := range b.payments {
			states[p.state]++
		}
		v.t.Logf("%d kills among %d payments: %v", len(moments), len(b.payments), states)
		for _, fault := range append(broken, b.defects()...) {
			v.t.Error(fault)
		}
		return nil
	})
}
