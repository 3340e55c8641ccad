package terminal

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/base/problem"
)

// order is what a node asks of another one, in a row. It holds no key and no
// card data: parameters are read anew by the node that sends them.
type order struct {
	Message   *Message      `json:"message,omitempty"`
	Await     time.Duration `json:"await,omitempty"`
	Configure bool          `json:"configure,omitempty"`
}

// outcome is what came of it.
type outcome struct {
	Message *Message     `json:"message,omitempty"`
	Kind    problem.Kind `json:"kind,omitempty"`
	Code    string       `json:"code,omitempty"` // of a problem
	Unknown bool         `json:"unknown,omitempty"`
}

// messageID sorts messages by when they were written.
func (h *Hub) messageID() string { return string(id.New[id.Job](h.clock.Now())) }

// handElsewhere puts a message where the node that holds the reader finds it,
// and waits. A row that nobody took can be taken back: then the reader
// certainly does not have it. Errors are those of [Hub.Send].
func (h *Hub) handElsewhere(ctx context.Context, f From, node string, m Message, await time.Duration) (Message, error) {
	content, err := json.Marshal(order{Message: &m, Await: await})
	if err != nil {
		return Message{}, err
	}
	row := h.messageID()
	sent := h.clock.Now()
	err = h.db.Write(ctx, func(tx *db.Tx) error {
		insertMessage(tx, f, row, node, string(content), sent.Add(handWithin))
		return nil
	})
	if errors.Is(err, db.ErrUnknown) {
		return Message{}, ErrUnknown
	}
	if err != nil {
		return Message{}, err
	}
	// What it takes the other node: a sign of life, then the answer.
	last := sent.Add(2*handWithin + await + writeWithin)
	for {
		h.wait(ctx, relayPoll)
		answer, err := h.answerOf(ctx, f.Merchant, row)
		if err != nil {
			return Message{}, ErrUnknown
		}
		if answer != "" {
			return h.settle(f.Merchant, row, answer)
		}
		now := h.clock.Now()
		if ctx.Err() != nil || now.After(sent.Add(handWithin)) {
			waited, err := h.takeBack(f.Merchant, row)
			switch {
			case err != nil:
				return Message{}, ErrUnknown
			case waited:
				return Message{}, offline()
			case ctx.Err() != nil, now.After(last):
				return Message{}, ErrUnknown
			}
		}
	}
}

func (h *Hub) answerOf(ctx context.Context, m id.Merchant, row string) (answer string, err error) {
	err = h.db.Read(context.WithoutCancel(ctx), func(tx *db.Tx) (err error) {
		answer, err = readAnswer(tx, m, row)
		return err
	})
	return answer, err
}

func (h *Hub) takeBack(m id.Merchant, row string) (waited bool, err error) {
	err = h.db.Write(context.Background(), func(tx *db.Tx) (err error) {
		waited, err = giveUp(tx, m, row)
		return err
	})
	return waited, err
}

// settle reads an answer and removes its row.
func (h *Hub) settle(m id.Merchant, row, answer string) (Message, error) {
	err := h.db.Write(context.Background(), func(tx *db.Tx) error {
		deleteMessage(tx, m, row)
		return nil
	})
	if err != nil {
		h.log.Error("terminals: a message that is over stays until it is pruned", "error", err)
	}
	var o outcome
	if err := json.Unmarshal([]byte(answer), &o); err != nil {
		return Message{}, ErrUnknown
	}
	switch {
	case o.Unknown:
		return Message{}, ErrUnknown
	case o.Code != "":
		return Message{}, problem.New(o.Kind, o.Code)
	case o.Message != nil:
		return *o.Message, nil
	}
	return Message{}, nil
}

// relay hands over what other nodes have for readers of this one.
func (h *Hub) relay(ctx context.Context) error {
	var waiting []relayed
	err := h.db.Read(ctx, func(tx *db.Tx) (err error) {
		waiting, err = readWaiting(tx, h.node, h.clock.Now(), chunk)
		return err
	})
	if err != nil {
		return err
	}
	for _, r := range waiting {
		var taken bool
		err := h.db.Write(ctx, func(tx *db.Tx) (err error) {
			taken, err = takeMessage(tx, r)
			return err
		})
		if err != nil {
			return err
		}
		if taken {
			h.beside(func() { h.obey(context.WithoutCancel(ctx), r) })
		}
	}
	return nil
}

// obey does what another node asked for and writes down what came of it.
func (h *Hub) obey(ctx context.Context, r relayed) {
	var o order
	if err := json.Unmarshal([]byte(r.content), &o); err != nil {
		h.log.Error("terminals: a message of another node cannot be read", "error", err)
		return
	}
	l := h.current(r.From, "")
	if o.Configure {
		if l != nil {
			h.configure(ctx, l)
		}
		return
	}
	result := outcome{Kind: problem.Unavailable, Code: "terminal.offline"}
	if l != nil && o.Message != nil {
		got, err := l.hand(ctx, *o.Message, o.Await)
		result = outcomeOf(got, err)
	}
	answer, err := json.Marshal(result)
	if err == nil {
		err = h.db.Write(ctx, func(tx *db.Tx) error {
			answerMessage(tx, r, string(answer))
			return nil
		})
	}
	if err != nil {
		h.log.Error("terminals: an answer for another node is lost", "error", err)
	}
}

func outcomeOf(got Message, err error) outcome {
	if err == nil {
		if got.Told != nil && got.Told.Conclusion != nil {
			c := withoutEnvelopes(*got.Told.Conclusion)
			got.Told.Conclusion = &c
		}
		return outcome{Message: &got}
	}
	if e := problem.As(err); e != nil {
		return outcome{Kind: e.Kind, Code: e.Code}
	}
	return outcome{Unknown: true}
}

// reconfigureElsewhere asks the nodes that hold a merchant's readers, or one of
// them, to send parameters.
func (h *Hub) reconfigureElsewhere(ctx context.Context, m id.Merchant, only id.Terminal) error {
	if h.alone {
		return nil
	}
	content, err := json.Marshal(order{Configure: true})
	if err != nil {
		return err
	}
	return h.db.Write(ctx, func(tx *db.Tx) error {
		there, err := elsewhere(tx, m, h.node)
		if err != nil {
			return err
		}
		for terminal, node := range there {
			if only == "" || only == terminal {
				insertMessage(tx, From{m, terminal}, h.messageID(), node, string(content), h.clock.Now().Add(answerWithin))
			}
		}
		return nil
	})
}
