package db_test

import (
	"encoding/binary"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
)

// proxy stands between pgx and the server: it counts round trips, and breaks the
// connection when it is told to.
type proxy struct {
	dsn   string
	trips atomic.Int64
	cut   atomic.Int32
}

// What to do with the next round trip.
const (
	pass int32 = iota
	cutBefore
	cutAfter
)

func (p *proxy) breakNext(before bool) {
	if before {
		p.cut.Store(cutBefore)
	} else {
		p.cut.Store(cutAfter)
	}
}

// relay starts a proxy in front of the server of a DSN.
func relay(t *testing.T, dsn string) *proxy {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	query := u.Query()
	network, server := "unix", filepath.Join(query.Get("host"), ".s.PGSQL.5432")
	if query.Get("host") == "" {
		network, server = "tcp", u.Host
	}
	dir, err := os.MkdirTemp("/tmp", "encrelay") // short: a socket's path has 107 bytes at most
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	listener, err := net.Listen("unix", filepath.Join(dir, ".s.PGSQL.5432"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	query.Set("host", dir)
	query.Del("pool_max_conns")
	u.Host, u.RawQuery = "", query.Encode()
	p := &proxy{dsn: u.String()}
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			upstream, err := net.Dial(network, server)
			if err != nil {
				client.Close()
				return
			}
			go p.serve(client, upstream)
		}
	}()
	return p
}

// serve copies messages both ways until one side is gone.
func (p *proxy) serve(client, server net.Conn) {
	var once sync.Once
	end := func() { once.Do(func() { client.Close(); server.Close() }) }
	var silent atomic.Bool
	go func() {
		defer end()
		buffer := make([]byte, 64<<10)
		for {
			n, err := server.Read(buffer)
			if err != nil {
				return
			}
			if silent.Load() {
				return // the answer that the client never gets
			}
			if _, err := client.Write(buffer[:n]); err != nil {
				return
			}
		}
	}()
	defer end()
	var waiting []byte // sent together, so that a cut connection leaves nothing half done
	kind, err := byte(0), error(nil)
	for {
		if waiting, err = message(client, waiting, kind); err != nil {
			return
		}
		switch kind {
		case 'P', 'B', 'D', 'E', 'C': // Parse, Bind, Describe, Execute, Close: nobody waits yet
		case 'S', 'Q': // Sync, a simple query: now the client waits
			p.trips.Add(1)
			switch p.cut.Swap(pass) {
			case cutBefore:
				return
			case cutAfter:
				silent.Store(true)
			}
			fallthrough
		default:
			if _, err := server.Write(waiting); err != nil {
				return
			}
			waiting = waiting[:0]
		}
		var next [1]byte
		if _, err := io.ReadFull(client, next[:]); err != nil {
			return
		}
		kind = next[0]
	}
}

// message reads one message and puts it behind those before; the first one of a
// connection has no kind.
func message(from io.Reader, before []byte, kind byte) ([]byte, error) {
	var size [4]byte
	if _, err := io.ReadFull(from, size[:]); err != nil {
		return nil, err
	}
	if kind != 0 {
		before = append(before, kind)
	}
	before = append(before, size[:]...)
	body := make([]byte, binary.BigEndian.Uint32(size[:])-4)
	_, err := io.ReadFull(from, body)
	return append(before, body...), err
}
