package emulator

import (
	"context"
	"net"
	"sync/atomic"
)

// wire is how bytes leave the reader: whole, or one by one, as they do over a
// poor network.
type wire struct{ split atomic.Bool }

type dialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

func (w *wire) dialer(next dialFunc) dialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := next(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &splitConn{conn, w}, nil
	}
}

// splitConn writes byte by byte while its wire says so.
type splitConn struct {
	net.Conn
	wire *wire
}

func (c *splitConn) Write(b []byte) (n int, err error) {
	if !c.wire.split.Load() {
		return c.Conn.Write(b)
	}
	for i := range b {
		if _, err := c.Conn.Write(b[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(b), nil
}
