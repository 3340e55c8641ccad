package terminal

import (
	"time"

	"encaisse/base/db"
	"encaisse/base/id"
)

const presenceColumns = `p.state, p.since, p.node_id, p.connection_id, p.software, p.battery_percent, p.charging, p.network, p.printer, p.faulty`

// presenceRow is what is kept of a terminal's presence.
type presenceRow struct {
	state      PresenceState
	since      time.Time
	node       string // who holds the connection; empty: nobody
	connection string
	software   string
	health     Health
}

func (p *presenceRow) fields() []any {
	return []any{
		&p.state, &p.since, &p.node, &p.connection, &p.software,
		&p.health.Battery, &p.health.Charging, &p.health.Network, &p.health.Printer, &p.health.Faulty,
	}
}

// nullPresence is the same where a join may find no row.
type nullPresence struct {
	state                      *PresenceState
	since                      *time.Time
	node, connection, software *string
	battery                    *int64
	charging                   *bool
	network                    *string
	printer                    *Printer
	faulty                     *bool
}

func (n *nullPresence) fields() []any {
	return []any{&n.state, &n.since, &n.node, &n.connection, &n.software, &n.battery, &n.charging, &n.network, &n.printer, &n.faulty}
}

func (n *nullPresence) row() presenceRow {
	if n.state == nil {
		return presenceRow{state: Offline, health: Health{Battery: -1}}
	}
	return presenceRow{
		state: *n.state, since: *n.since, node: *n.node, connection: *n.connection, software: *n.software,
		health: Health{Battery: *n.battery, Charging: *n.charging, Network: *n.network, Printer: *n.printer, Faulty: *n.faulty},
	}
}

func lockPresence(tx *db.Tx, m id.Merchant, terminal id.Terminal) (p presenceRow, err error) {
	err = tx.LockRow(`SELECT `+presenceColumns+` FROM terminal_presence p WHERE p.merchant_id = $1 AND p.terminal_id = $2`, m, terminal).
		Scan(p.fields()...)
	return p, err
}

// putPresence writes the newest connection over whatever was there.
func putPresence(tx *db.Tx, f From, p presenceRow) {
	tx.Queue(`INSERT INTO terminal_presence (merchant_id, terminal_id, state, since, node_id, connection_id, software,
			battery_percent, charging, network, printer, faulty)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
		ON CONFLICT (merchant_id, terminal_id) DO UPDATE SET state = $3, since = $4, node_id = $5, connection_id = $6, software = $7,
			battery_percent = $8, charging = $9, network = $10, printer = $11, faulty = $12`,
		f.Merchant, f.Terminal, p.state, p.since, p.node, p.connection, p.software,
		p.health.Battery, p.health.Charging, p.health.Network, p.health.Printer, p.health.Faulty)
}

// movePresence writes what became of a connection, where it still is the
// newest, and reports whether it was.
func movePresence(tx *db.Tx, f From, connection string, p presenceRow) (moved bool, err error) {
	affected, err := tx.Exec(`UPDATE terminal_presence SET state = $4, since = $5, node_id = $6, connection_id = $7,
			battery_percent = $8, charging = $9, network = $10, printer = $11, faulty = $12
		WHERE merchant_id = $1 AND terminal_id = $2 AND connection_id = $3`,
		f.Merchant, f.Terminal, connection, p.state, p.since, p.node, p.connection,
		p.health.Battery, p.health.Charging, p.health.Network, p.health.Printer, p.health.Faulty)
	return affected == 1, err
}

// readConnections are the connections that a node holds, as the database has it.
func readConnections(tx *db.Tx, node string) (map[string]bool, error) {
	rows := tx.Query(`SELECT connection_id FROM terminal_presence WHERE node_id = $1 AND node_id <> ''`, node)
	defer rows.Close()
	out := map[string]bool{}
	for rows.Next() {
		var connection string
		if err := rows.Scan(&connection); err != nil {
			return nil, err
		}
		out[connection] = true
	}
	return out, rows.Err()
}

// elsewhere are the terminals of a merchant that are connected to other nodes.
func elsewhere(tx *db.Tx, m id.Merchant, node string) (map[id.Terminal]string, error) {
	rows := tx.Query(`SELECT terminal_id, node_id FROM terminal_presence WHERE merchant_id = $1 AND node_id <> '' AND node_id <> $2`, m, node)
	defer rows.Close()
	out := map[id.Terminal]string{}
	for rows.Next() {
		var terminal id.Terminal
		var holder string
		if err := rows.Scan(&terminal, &holder); err != nil {
			return nil, err
		}
		out[terminal] = holder
	}
	return out, rows.Err()
}

func beatNode(tx *db.Tx, node string, now time.Time) {
	tx.Queue(`INSERT INTO terminal_node (node_id, seen_at) VALUES ($1, $2) ON CONFLICT (node_id) DO UPDATE SET seen_at = $2`, node, now)
}

func deleteNode(tx *db.Tx, node string) {
	tx.Queue(`DELETE FROM terminal_node WHERE node_id = $1`, node)
}

// lost is a connection that a dead node held.
type lost struct {
	From
	presenceRow
}

// readLost lists connections of nodes that were not seen since before.
func readLost(tx *db.Tx, self string, before time.Time, limit int) ([]lost, error) {
	rows := tx.Query(`SELECT p.merchant_id, p.terminal_id, `+presenceColumns+`
		FROM terminal_presence p LEFT JOIN terminal_node n ON n.node_id = p.node_id
		WHERE p.node_id <> '' AND p.node_id <> $1 AND (n.seen_at IS NULL OR n.seen_at < $2) LIMIT $3`, self, before, limit)
	defer rows.Close()
	var out []lost
	for rows.Next() {
		var l lost
		if err := rows.Scan(append([]any{&l.Merchant, &l.Terminal}, l.fields()...)...); err != nil {
			return nil, err
		}
		out = append(out, l)
	}
	return out, rows.Err()
}

func pruneNodes(tx *db.Tx, before time.Time) {
	tx.Queue(`DELETE FROM terminal_node WHERE seen_at < $1`, before)
}
