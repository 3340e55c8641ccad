package iso8583_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"encaisse/acquirer/iso8583"

	"pgregory.net/rapid"
)

// peerMessages is how many messages both sides pack and unpack.
const peerMessages = 300

// peerPacking is how iso_8583 writes things: ASCII, the bitmap and binary fields
// as bytes; chip data is text to it.
func peerPacking() iso8583.Packing {
	p := iso8583.ASCII()
	p.Bitmap, p.Binary, p.Chip, p.CountBytes = iso8583.InBytes, iso8583.InBytes, iso8583.InHex, true
	return p
}

type question struct {
	Pack   map[string]string `json:"pack,omitempty"`
	Unpack string            `json:"unpack,omitempty"`
}

type reply struct {
	Hex    string
	Fields map[string]string
	Error  any
}

// askPeer lets the package iso_8583 of npm answer.
func askPeer(t *testing.T, questions []question) []reply {
	t.Helper()
	modules, err := filepath.Abs("../../bin/peers/node_modules")
	if err != nil {
		t.Fatal(err)
	}
	node, lookErr := exec.LookPath("node")
	_, statErr := os.Stat(filepath.Join(modules, "iso_8583"))
	if lookErr != nil || statErr != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("the peer is missing (make deps): %v %v", lookErr, statErr)
		}
		t.Skip("needs node and the peers of make deps")
	}
	in, err := json.Marshal(questions)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), node, "../../test/peers/iso_8583.js")
	cmd.Env = append(os.Environ(), "NODE_PATH="+modules)
	cmd.Stdin = bytes.NewReader(in)
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, complaint.String())
	}
	var replies []reply
	if err := json.Unmarshal(out, &replies); err != nil || len(replies) != len(questions) {
		t.Fatalf("%d replies: %v", len(replies), err)
	}
	return replies
}

// asJSON is a message as the peer writes it: binary fields in hex.
func asJSON(m *iso8583.Message) map[string]string {
	out := map[string]string{"0": m.MTI}
	for _, n := range m.Fields() {
		text := m.Get(n)
		switch n {
		case 52:
			text = hex.EncodeToString(m.Bytes(n))
		case 55:
			text = strings.ToUpper(hex.EncodeToString(m.Bytes(n)))
		}
		out[strconv.Itoa(n)] = text
	}
	return out
}

// TestSecondOpinion packs and unpacks the same messages here and with iso_8583:
// the bytes are the same, and each reads what the other wrote.
func TestSecondOpinion(t *testing.T) {
	s := iso8583.V1987(peerPacking())
	var messages []*iso8583.Message
	var questions []question
	generator := rapid.Custom(func(t *rapid.T) *iso8583.Message {
		// 53, 64 and 128 have another size in its table.
		return drawMessage(t, iso8583.Fields1987(), 1, 53, 64, 128)
	})
	for seed := range peerMessages {
		m := generator.Example(seed)
		m.Extended = true // it always sends the second bitmap
		b, err := s.Pack(m)
		if err != nil {
			t.Fatal(err)
		}
		messages = append(messages, m)
		questions = append(questions, question{Pack: asJSON(m)}, question{Unpack: hex.EncodeToString(b)})
	}
	replies := askPeer(t, questions)
	for i, m := range messages {
		packed, unpacked := replies[2*i], replies[2*i+1]
		if packed.Error != nil || unpacked.Error != nil {
			t.Fatalf("message %d %v: %v %v", i, asJSON(m), packed.Error, unpacked.Error)
		}
		if packed.Hex != questions[2*i+1].Unpack {
			t.Fatalf("message %d: it packs\n%s\nwe pack\n%s", i, packed.Hex, questions[2*i+1].Unpack)
		}
		b, _ := hex.DecodeString(packed.Hex)
		got, err := s.Unpack(b)
		if err != nil {
			t.Fatal(err)
		}
		same(t, got, m)
		for n, text := range asJSON(m) {
			if unpacked.Fields[n] != text {
				t.Fatalf("message %d: it reads field %s as %q, want %q", i, n, unpacked.Fields[n], text)
			}
		}
	}
}
