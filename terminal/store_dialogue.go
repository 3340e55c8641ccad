package terminal

import (
	"encoding/json"
	"time"

	"encaisse/base/db"
	"encaisse/base/id"
)

// insertDialogue reports whether it is open now: the attempt is new, no other
// dialogue of the terminal is open, and there is a device it is for.
func insertDialogue(tx *db.Tx, d Dialogue, service string) (opened bool, err error) {
	content, err := json.Marshal(d)
	if err != nil {
		return false, err
	}
	affected, err := tx.Exec(`INSERT INTO terminal_dialogue (merchant_id, attempt_id, terminal_id, device_id, service_id, content, state, opened_at)
		SELECT $1, $2, $3, device_id, $4, $5, 'open', $6 FROM terminal_device
		WHERE merchant_id = $1 AND terminal_id = $3 AND revoked_at IS NULL ON CONFLICT DO NOTHING`,
		d.Merchant, d.Attempt, d.Terminal, service, string(content), d.At)
	return affected == 1, err
}

func closeDialogue(tx *db.Tx, m id.Merchant, attempt id.Attempt, now time.Time) {
	tx.Queue(`UPDATE terminal_dialogue SET state = 'closed', closed_at = $3 WHERE merchant_id = $1 AND attempt_id = $2 AND state = 'open'`,
		m, attempt, now)
}

// openAttempt is the attempt that a terminal is busy with; db.ErrNone: none.
func openAttempt(tx *db.Tx, m id.Merchant, terminal id.Terminal) (attempt id.Attempt, err error) {
	err = tx.QueryRow(`SELECT attempt_id FROM terminal_dialogue WHERE merchant_id = $1 AND terminal_id = $2 AND state = 'open'`, m, terminal).
		Scan(&attempt)
	return attempt, err
}

// held is a dialogue with where its reader is.
type held struct {
	Dialogue
	service     string
	open        bool
	on          id.Device  // the reader it is for
	now         *id.Device // the terminal's today
	deactivated bool
	presence    presenceRow
	nodeSeen    *time.Time
}

func readHeld(tx *db.Tx, m id.Merchant, attempt id.Attempt) (out held, err error) {
	var content, state string
	var terminalState State
	var null nullPresence
	err = tx.QueryRow(`SELECT d.content, d.service_id, d.state, d.device_id, v.device_id, t.state, n.seen_at, `+presenceColumns+`
		FROM terminal_dialogue d
		JOIN terminal t ON t.merchant_id = d.merchant_id AND t.terminal_id = d.terminal_id
		LEFT JOIN terminal_device v ON v.merchant_id = d.merchant_id AND v.terminal_id = d.terminal_id AND v.revoked_at IS NULL
		LEFT JOIN terminal_presence p ON p.merchant_id = d.merchant_id AND p.terminal_id = d.terminal_id
		LEFT JOIN terminal_node n ON n.node_id = p.node_id
		WHERE d.merchant_id = $1 AND d.attempt_id = $2`, m, attempt).
		Scan(append([]any{&content, &out.service, &state, &out.on, &out.now, &terminalState, &out.nodeSeen}, null.fields()...)...)
	if err != nil {
		return out, err
	}
	out.open, out.deactivated, out.presence = state == "open", terminalState == Deactivated, null.row()
	return out, json.Unmarshal([]byte(content), &out.Dialogue)
}

func pruneDialogues(tx *db.Tx, before time.Time, limit int) (removed int64, err error) {
	return tx.Exec(`DELETE FROM terminal_dialogue WHERE (merchant_id, attempt_id) IN
		(SELECT merchant_id, attempt_id FROM terminal_dialogue WHERE state = 'closed' AND closed_at < $1 LIMIT $2)`, before, limit)
}

// insertMessage puts a message where the node that holds the reader finds it.
func insertMessage(tx *db.Tx, f From, message, node, content string, expires time.Time) {
	tx.Queue(`INSERT INTO terminal_message (merchant_id, message_id, terminal_id, node_id, content, state, expires_at)
		VALUES ($1, $2, $3, $4, $5, 'waiting', $6)`, f.Merchant, message, f.Terminal, node, content, expires)
}

// relayed is a message for a reader of this node.
type relayed struct {
	From
	id, content string
}

func readWaiting(tx *db.Tx, node string, now time.Time, limit int) ([]relayed, error) {
	rows := tx.Query(`SELECT merchant_id, terminal_id, message_id, content FROM terminal_message
		WHERE node_id = $1 AND state = 'waiting' AND expires_at > $2 ORDER BY message_id LIMIT $3`, node, now, limit)
	defer rows.Close()
	var out []relayed
	for rows.Next() {
		var r relayed
		if err := rows.Scan(&r.Merchant, &r.Terminal, &r.id, &r.content); err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, rows.Err()
}

// takeMessage makes a message this node's to hand over, where its sender has
// not given it up.
func takeMessage(tx *db.Tx, r relayed) (taken bool, err error) {
	affected, err := tx.Exec(`UPDATE terminal_message SET state = 'taken' WHERE merchant_id = $1 AND message_id = $2 AND state = 'waiting'`, r.Merchant, r.id)
	return affected == 1, err
}

func answerMessage(tx *db.Tx, r relayed, answer string) {
	tx.Queue(`UPDATE terminal_message SET state = 'answered', answer = $3 WHERE merchant_id = $1 AND message_id = $2`, r.Merchant, r.id, answer)
}

// readAnswer tells what became of a message; empty: nothing yet.
func readAnswer(tx *db.Tx, m id.Merchant, message string) (answer string, err error) {
	var text *string
	err = tx.QueryRow(`SELECT answer FROM terminal_message WHERE merchant_id = $1 AND message_id = $2`, m, message).Scan(&text)
	if text != nil {
		answer = *text
	}
	return answer, err
}

// giveUp removes a message and reports whether nobody had taken it: then it
// was certainly not handed over.
func giveUp(tx *db.Tx, m id.Merchant, message string) (waited bool, err error) {
	affected, err := tx.Exec(`DELETE FROM terminal_message WHERE merchant_id = $1 AND message_id = $2 AND state = 'waiting'`, m, message)
	return affected == 1, err
}

func deleteMessage(tx *db.Tx, m id.Merchant, message string) {
	tx.Queue(`DELETE FROM terminal_message WHERE merchant_id = $1 AND message_id = $2`, m, message)
}

func pruneMessages(tx *db.Tx, before time.Time, limit int) (removed int64, err error) {
	return tx.Exec(`DELETE FROM terminal_message WHERE (merchant_id, message_id) IN
		(SELECT merchant_id, message_id FROM terminal_message WHERE expires_at < $1 LIMIT $2)`, before, limit)
}
