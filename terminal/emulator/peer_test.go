package emulator_test

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"encaisse/base/clock"
	"encaisse/terminal/emulator"
)

// clientPort is the port that the peer's client has written in.
const clientPort = 8443

// ownAddress is an address of this machine on which the client's port is free:
// the whole of 127.0.0.0/8 is.
func ownAddress(t *testing.T) net.Listener {
	t.Helper()
	var last error
	for range 20 {
		at := fmt.Sprintf("127.%d.%d.%d:%d", 1+rand.IntN(250), rand.IntN(250), 1+rand.IntN(250), clientPort)
		listener, err := net.Listen("tcp4", at)
		if err == nil {
			return listener
		}
		last = err
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("port %d is not to be had, and the peer knows no other: %v", clientPort, last)
	}
	t.Skipf("port %d is not to be had: %v", clientPort, last)
	return nil
}

type peerRequest struct {
	Service  string            `json:"service"`
	Class    string            `json:"class"`
	Category string            `json:"category"`
	Body     any               `json:"body"`
	Wait     *bool             `json:"wait,omitempty"`
	Key      map[string]string `json:"key,omitempty"`
}

// TestPeer lets the unmodified client of another vendor drive the local endpoint,
// encrypted: payment, diagnosis, status, printing, login, abort.
func TestPeer(t *testing.T) {
	modules, err := filepath.Abs("../../bin/peers/node_modules")
	if err != nil {
		t.Fatal(err)
	}
	node, lookErr := exec.LookPath("node")
	_, statErr := os.Stat(filepath.Join(modules, "@adyen", "api-library"))
	if lookErr != nil || statErr != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("the peer is missing (make deps): %v %v", lookErr, statErr)
		}
		t.Skip("needs node and the peers of make deps")
	}
	l := newTill(t, clock.Real{}, false)
	listener := ownAddress(t)
	certificate, authority, err := emulator.NewCertificate(l.reader.ID(), clock.Real{}.Now(), listener.Addr().(*net.TCPAddr).IP)
	if err != nil {
		t.Fatal(err)
	}
	server := l.local.Server(certificate)
	go server.Serve(tls.NewListener(listener, server.TLSConfig))
	t.Cleanup(func() { server.Close() })
	trusted := filepath.Join(t.TempDir(), "authority.pem")
	if err := os.WriteFile(trusted, authority, 0o600); err != nil {
		t.Fatal(err)
	}
	l.reader.Next(emulator.Hand{Card: "cb"})

	payment := func(amount float64, sale string) any {
		return map[string]any{
			"SaleData":           map[string]any{"SaleTransactionID": map[string]any{"TransactionID": sale, "TimeStamp": "2026-11-22T09:30:00.000Z"}},
			"PaymentTransaction": map[string]any{"AmountsReq": map[string]any{"Currency": "EUR", "RequestedAmount": amount}},
		}
	}
	reference := func(service string) map[string]any {
		return map[string]any{"MessageCategory": "Payment", "SaleID": "peer", "ServiceID": service}
	}
	no := false
	answers := askPeer(t, node, modules, map[string]any{
		"endpoint": "https://" + listener.Addr().(*net.TCPAddr).IP.String(), "authority": trusted, "poi": l.reader.ID(),
		"key": map[string]any{"KeyIdentifier": "shop", "KeyVersion": 1, "Passphrase": "a passphrase of the shop"},
		"requests": []peerRequest{
			{Service: "L1", Class: "Service", Category: "Login", Body: map[string]any{
				"DateTime": "2026-11-22T09:30:00Z", "OperatorLanguage": "fr",
				"SaleSoftware": map[string]any{"ManufacturerID": "peer", "ApplicationName": "peer", "SoftwareVersion": "1", "CertificationCode": "none"},
			}},
			{Service: "D1", Class: "Service", Category: "Diagnosis", Body: map[string]any{"HostDiagnosisFlag": true}},
			{Service: "P1", Class: "Service", Category: "Payment", Body: payment(10.99, "sale 1")},
			{Service: "S1", Class: "Service", Category: "TransactionStatus", Body: map[string]any{"MessageReference": reference("P1")}},
			{Service: "R1", Class: "Device", Category: "Print", Body: map[string]any{"PrintOutput": map[string]any{
				"DocumentQualifier": "Document", "ResponseMode": "PrintEnd",
				"OutputContent": map[string]any{"OutputFormat": "Text", "OutputText": []any{map[string]any{"Text": "Merci", "EndOfLineFlag": true}}},
			}}},
			{Service: "P2", Class: "Service", Category: "Payment", Body: payment(5, "sale 2"), Wait: &no},
			{Service: "A1", Class: "Service", Category: "Abort", Body: map[string]any{"AbortReason": "MerchantAbort", "MessageReference": reference("P2")}},
			{Service: "P3", Class: "Service", Category: "Payment", Body: payment(5, "sale 3"), Key: map[string]string{"Passphrase": "another"}},
		},
	})
	if len(answers) != 8 {
		t.Fatalf("%s", answers)
	}
	for i, want := range []string{
		`"POISerialNumber":"77"`, `"IsReachableFlag":true`, `"AuthorizedAmount":10.99`,
		`"RepeatedMessageResponse"`, `"PrintResponse":{"DocumentQualifier":"Document","Response":{"Result":"Success"}}`, `null`, `"ErrorCondition":"Aborted"`, `"error"`,
	} {
		if !bytes.Contains(answers[i], []byte(want)) {
			t.Errorf("answer %d: %s, want %s", i, answers[i], want)
		}
	}
	if slips := l.reader.Slips(); len(slips) != 1 || slips[0].Lines[0] != "Merci" {
		t.Errorf("%+v", slips)
	}
	if l.bank.count() != 1 {
		t.Errorf("%d authorisations", l.bank.count())
	}
}

func askPeer(t *testing.T, node, modules string, asked any) (out []json.RawMessage) {
	t.Helper()
	in, err := json.Marshal(asked)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), node, "../../test/peers/adyen_terminal.js")
	cmd.Env = append(os.Environ(), "NODE_PATH="+modules)
	cmd.Stdin = bytes.NewReader(in)
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	text, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, complaint.String())
	}
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return out
}
