// Package nexo is the nexo Retailer protocol ("Sale to POI") in JSON, in the
// dialect of the Terminal API, and the protocol of the link between a reader
// and the hub: Retailer messages for what a till says to a reader, and JSON of
// the fields of nexo Acquirer (ISO 20022 caaa) and nexo TMS (catm) for what a
// reader says to its acquirer.
//
// [Protocol] turns the neutral words of package terminal into messages and
// back, both ways: the hub and the emulator use the same one. A reader's local
// endpoint, which other tills call, uses [Encode] and [Decode] with the structs
// themselves and a [Ring] of keys.
//
// # The link
//
// The reader dials the hub: WebSocket, text frames, one envelope a frame,
// subprotocol [Name]. POIID is the reader's model and serial number, SaleID is
// [SaleID]. The hub speaks first.
//
//	hub     LoginRequest                    who are you?
//	reader  LoginResponse                   POISystemData: serial number, software, POIStatus
//	hub     AcceptorConfigurationUpdate     parameters; again whenever they change
//
//	hub     PaymentRequest                  a payment, or a refund (PaymentType Refund with OriginalPOITransaction)
//	        ReversalRequest                 a void: the same card is shown again
//	reader  DisplayRequest                  progress, event names in PredefinedContent.ReferenceID; no answer
//	reader  AcceptorAuthorisationRequest    may this card pay?
//	hub     AcceptorAuthorisationResponse
//	reader  PaymentResponse, ReversalResponse   the final word, repeated until it is acknowledged
//	hub     EventNotification Completed     acknowledges it: ServiceID of the request, transaction_id in EventDetails
//
//	hub     AbortRequest                    no answer but the final word, which may be Success
//	hub     TransactionStatusRequest        answered by TransactionStatusResponse
//	hub     PrintRequest, DiagnosisRequest  answered by theirs
//	reader  EventNotification               sleep, waking, health
//	either  EventNotification Reject        a message that was not taken
//
// A final word is sent again after some seconds, and on every new connection,
// until Completed names it or Reject does; nothing else ends it. The same
// AcceptorAuthorisationRequest (same exchange_id) may be sent again too, and has
// the same answer.
//
// An attempt is SaleTransactionID.TransactionID; in a ReversalResponse, which
// has no SaleData, it is transaction_id in AdditionalResponse. A request's
// ServiceID is drawn by the hub and unique for the reader during 48 hours, so a
// PaymentRequest seen again is the same request.
//
// # Key/values
//
// What nexo has no member for travels as form-encoded key/values, in
// AdditionalResponse of a response, SaleToAcquirerData of a request and
// EventDetails of an event:
//
//	request   budget_ms, print_slip, original, original_at, fingerprint, par, masked
//	response  cause (table in cause.go), message, transaction_id, service_id (of the request that keeps it busy), code, entry, cvm, fingerprint, par, scheme,
//	          application_id, application_label, emv, printed, signed,
//	          chip=true and aid, label, tvr, tsi, iad, arc, cryptogram, cid, atc, cvm_results, sequence
//	health    battery, charging, network, printer, asleep, faulty
//	event     newstate=SLEEP with Shutdown: the reader goes to sleep; message, condition, code, field with Reject
//
// AdditionalResponse may also be base64 of a JSON object; which one it is is
// found out, not assumed. Programs branch on ErrorCondition and cause alone.
//
// # What is refused
//
// Messages over [MaxMessage] bytes, deeper than [MaxDepth], not UTF-8, not JSON,
// with a member twice, with NUL in a text; a header whose class, category and
// type do not fit the body; amounts with more decimals than their currency has;
// anything that shows a card in clear. Members nobody knows are ignored in
// Retailer messages, which every vendor extends, and refused in our own.
package nexo
