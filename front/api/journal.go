package api

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"net/http"

	"encaisse/access"
	"encaisse/base/id"
)

// chainBody is one chain of the fiscal journal.
type chainBody struct {
	ID        id.Chain `json:"id"`
	Owner     string   `json:"owner_id" doc:"The register, or the site for back-office events." example:"reg_01k9zq0w5tfk8v3q8h2m7c4x9d"`
	Origin    string   `json:"origin" doc:"Its public name, in every record and in what is signed." example:"encaisse/73282932000074/register-2"`
	History   bool     `json:"history" doc:"It holds imported history."`
	Records   int64    `json:"records" doc:"How many; also the seq of the last." example:"136573"`
	Tickets   int64    `json:"tickets" example:"136451"`
	Net       int64    `json:"perpetual_net_minor" example:"55864085"`
	Absolute  int64    `json:"perpetual_absolute_minor" example:"55864085"`
	PublicKey string   `json:"public_key" doc:"Of its signatures, as a verifier key of the signed-note format: name+hash+base64 of 0x02 and the PKIX key (ECDSA P-256)."`
}

type chainsBody struct {
	Chains []chainBody `json:"chains" nullable:"false"`
}

// recordBody is one sealed record, with everything a third party needs to verify it.
type recordBody struct {
	Seq       int64  `json:"seq" doc:"From 1, without hole." example:"1"`
	Kind      string `json:"kind" enum:"ticket,z,day,event"`
	Subject   string `json:"subject" doc:"What it is about." example:"sale_01k9zq0w5tfk8v3q8h2m7c4x9d"`
	At        string `json:"at" format:"date-time"`
	Payload   string `json:"payload" doc:"The canonical record as sealed: the very bytes, as a string."`
	Base64    string `json:"payload_base64" doc:"The same bytes in base64."`
	Hash      string `json:"hash" doc:"RFC 6962 leaf hash of the payload: SHA-256 of 0x00 and the bytes, in hexadecimal. The next record's payload names it as prev."`
	Signature string `json:"signature" doc:"ECDSA P-256 over SHA-256 (ASN.1, base64) of the checkpoint of the first seq records: origin, size and base64 root of the Merkle tree, each on its line."`
}

type recordsBody struct {
	Records []recordBody `json:"records" nullable:"false" doc:"In order."`
	Next    *int64       `json:"next" doc:"Give it as after for the page that follows; null: this was the last for now."`
}

func (a *API) journal() {
	add(a, operation{
		id: "list-chains", method: http.MethodGet, path: "/v1/journal/chains", tag: tagJournal,
		summary: "List the chains of the fiscal journal", text: "One for each register and one for each site, with the public key of its signatures.",
		guard: needs(access.JournalRead),
	}, a.listChains)
	add(a, operation{
		id: "list-records", method: http.MethodGet, path: "/v1/journal/chains/{id}/records", tag: tagJournal,
		summary: "Read the records of a chain",
		text:    "Byte for byte as they were sealed, so that anybody can verify sequence, hashes, links and signatures without Encaisse.",
		guard:   needs(access.JournalRead), refuses: refusals{404: {"fiscal.no_chain"}},
	}, a.listRecords)
}

func (a *API) listChains(ctx context.Context, p access.Principal, _ *nothing) (*answer[chainsBody], error) {
	list, err := a.doors.Journal.Chains(ctx, p.Merchant)
	if err != nil {
		return nil, err
	}
	out := chainsBody{Chains: make([]chainBody, len(list))}
	for i, c := range list {
		out.Chains[i] = chainBody{
			ID: c.Chain, Owner: c.Owner, Origin: c.Origin, History: c.History, Records: c.Records, Tickets: c.Tickets,
			Net: c.Net, Absolute: c.Absolute, PublicKey: c.PublicKey,
		}
	}
	return fine(out), nil
}

type listRecordsInput struct {
	Chain id.Chain `path:"id"`
	After int64    `query:"after" minimum:"0" doc:"Only records with a seq above this one."`
	Limit int      `query:"limit" minimum:"1" maximum:"200" default:"100" doc:"How many at most."`
}

func (a *API) listRecords(ctx context.Context, p access.Principal, in *listRecordsInput) (*answer[recordsBody], error) {
	list, err := a.doors.Journal.Records(ctx, p.Merchant, in.Chain, in.After, in.Limit)
	if err != nil {
		return nil, err
	}
	out := recordsBody{Records: make([]recordBody, len(list))}
	for i, r := range list {
		out.Records[i] = recordBody{
			Seq: r.Seq, Kind: r.Kind, Subject: r.Subject, At: stamp(r.At), Payload: string(r.Payload),
			Base64: base64.StdEncoding.EncodeToString(r.Payload), Hash: hex.EncodeToString(r.Hash[:]),
			Signature: base64.StdEncoding.EncodeToString(r.Signature),
		}
	}
	if len(list) == in.Limit {
		out.Next = &list[len(list)-1].Seq
	}
	return fine(out), nil
}
