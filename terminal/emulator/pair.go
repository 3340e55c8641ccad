package emulator

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"

	"encaisse/base/problem"
)

const (
	pairPath = "/v1/terminals/pair"
	maxPair  = 64 << 10 // bytes of the hub's answer
)

// Pair exchanges a code for a credential, which the state file keeps. Problems:
// emulator.no_hub, emulator.pairing with the hub's own code; an error of the
// network as it is.
func (e *Emulator) Pair(ctx context.Context, code string) error {
	e.mu.Lock()
	who := e.memory.identity
	e.mu.Unlock()
	if who.Hub == "" {
		return problem.New(problem.Invalid, "emulator.no_hub")
	}
	body, err := json.Marshal(map[string]string{"code": code, "serial": e.serial, "model": e.model})
	if err != nil {
		return err
	}
	ctx, done := context.WithTimeout(ctx, dialTimeout)
	defer done()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, who.Hub+pairPath, bytes.NewReader(body))
	if err != nil {
		return problem.New(problem.Invalid, "emulator.no_hub").Because(err)
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := e.link.http.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	var given struct {
		Credential string `json:"credential"`
		Code       string `json:"code"` // of a problem
	}
	if err := json.NewDecoder(io.LimitReader(answer.Body, maxPair)).Decode(&given); err != nil || given.Credential == "" {
		return problem.New(problem.Forbidden, "emulator.pairing", "status", answer.StatusCode, "code", given.Code)
	}
	return e.Adopt(given.Credential)
}

// Adopt takes a credential that the hub gave for this reader's serial number by
// another way than its door.
func (e *Emulator) Adopt(credential string) error {
	e.mu.Lock()
	who := e.memory.identity
	who.Credential = credential
	err := e.memory.keep(line{Identity: &who})
	e.notify()
	e.mu.Unlock()
	e.link.cut() // a link with the former credential ends
	e.link.poke()
	return err
}

// Paired tells whether the reader has a credential.
func (e *Emulator) Paired() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.memory.identity.Credential != ""
}

// Connected tells whether the hub has greeted the reader and its link stands.
func (e *Emulator) Connected() bool { return e.link.up() }
