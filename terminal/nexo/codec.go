package nexo

import (
	"bytes"
	"encoding/json"
	"errors"

	"encaisse/base/problem"
	"encaisse/terminal"
)

// MaxMessage is how many bytes an envelope may have.
const MaxMessage = terminal.MaxMessage

// Encode writes an envelope. It fails where Decode would refuse what it wrote.
func Encode(e Envelope) ([]byte, error) {
	if err := e.check(); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	to := json.NewEncoder(&out)
	to.SetEscapeHTML(false) // key/values are full of ampersands
	if err := to.Encode(e); err != nil {
		return nil, err
	}
	b := bytes.TrimSuffix(out.Bytes(), []byte("\n"))
	if len(b) > MaxMessage {
		return nil, tooLarge()
	}
	return b, nil
}

// Decode reads an envelope. Problems: nexo.too_large, nexo.malformed with the
// offset, nexo.member with the path of a member of the wrong type or name,
// nexo.envelope, nexo.header and nexo.body. What was read comes with a problem
// of the last three, so that an answer can name what it answers.
func Decode(b []byte) (Envelope, error) {
	if len(b) > MaxMessage {
		return Envelope{}, tooLarge()
	}
	if err := scan(b); err != nil {
		return Envelope{}, err
	}
	var e Envelope
	if err := json.Unmarshal(b, &e); err != nil {
		return Envelope{}, member(err)
	}
	if e.Request == nil && e.Response == nil {
		// Our own messages: a member we do not know is a mistake of somebody.
		strict := json.NewDecoder(bytes.NewReader(b))
		strict.DisallowUnknownFields()
		if err := strict.Decode(new(Envelope)); err != nil {
			return Envelope{}, member(err)
		}
	}
	return e, e.check()
}

func tooLarge() error {
	return problem.New(problem.TooLarge, "nexo.too_large", "most_kib", MaxMessage>>10)
}

func malformed(offset int) *problem.Error {
	return problem.New(problem.Malformed, "nexo.malformed", "offset", offset)
}

// member says which member cannot be read, and never what it holds: the error
// of encoding/json quotes numbers, and a number may be a card's.
func member(err error) error {
	refused := problem.New(problem.Invalid, "nexo.member")
	if typed, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return refused.At(typed.Field)
	}
	return refused
}

// check holds an envelope against what its header says.
func (e Envelope) check() error {
	set := 0
	for _, there := range []bool{
		e.Request != nil, e.Response != nil, e.AuthorisationRequest != nil, e.AuthorisationResponse != nil, e.Configuration != nil,
	} {
		if there {
			set++
		}
	}
	if set != 1 {
		return problem.New(problem.Invalid, "nexo.envelope")
	}
	switch {
	case e.Request != nil:
		return e.Request.check("SaleToPOIRequest", typeRequest, typeNotification)
	case e.Response != nil:
		return e.Response.check("SaleToPOIResponse", typeResponse)
	}
	return nil
}
