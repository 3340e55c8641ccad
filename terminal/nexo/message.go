package nexo

import "encoding/json"

// Envelope is one message as it travels, on the link to the hub and on a
// reader's local endpoint: one member is set.
type Envelope struct {
	Request  *Message `json:"SaleToPOIRequest,omitempty"`
	Response *Message `json:"SaleToPOIResponse,omitempty"`

	// Between reader and hub only: what nexo Acquirer (ISO 20022 caaa) and nexo
	// TMS (catm) call them, with their own fields as JSON.
	AuthorisationRequest  *AuthorisationRequest  `json:"AcceptorAuthorisationRequest,omitempty"`
	AuthorisationResponse *AuthorisationResponse `json:"AcceptorAuthorisationResponse,omitempty"`
	Configuration         *Configuration         `json:"AcceptorConfigurationUpdate,omitempty"`
}

// Message is a nexo Retailer message: a header and the body its category names.
type Message struct {
	MessageHeader MessageHeader

	LoginRequest              *LoginRequest              `json:",omitempty"`
	LoginResponse             *LoginResponse             `json:",omitempty"`
	LogoutRequest             *LogoutRequest             `json:",omitempty"`
	LogoutResponse            *LogoutResponse            `json:",omitempty"`
	PaymentRequest            *PaymentRequest            `json:",omitempty"`
	PaymentResponse           *PaymentResponse           `json:",omitempty"`
	ReversalRequest           *ReversalRequest           `json:",omitempty"`
	ReversalResponse          *ReversalResponse          `json:",omitempty"`
	TransactionStatusRequest  *TransactionStatusRequest  `json:",omitempty"`
	TransactionStatusResponse *TransactionStatusResponse `json:",omitempty"`
	AbortRequest              *AbortRequest              `json:",omitempty"`
	DiagnosisRequest          *DiagnosisRequest          `json:",omitempty"`
	DiagnosisResponse         *DiagnosisResponse         `json:",omitempty"`
	PrintRequest              *PrintRequest              `json:",omitempty"`
	PrintResponse             *PrintResponse             `json:",omitempty"`
	DisplayRequest            *DisplayRequest            `json:",omitempty"`
	DisplayResponse           *DisplayResponse           `json:",omitempty"`
	EventNotification         *EventNotification         `json:",omitempty"`

	// Encrypted on a local endpoint: the whole inner envelope, and what proves it.
	NexoBlob        string           `json:",omitempty"`
	SecurityTrailer *SecurityTrailer `json:",omitempty"`
}

// MessageHeader names a message and its pair.
type MessageHeader struct {
	ProtocolVersion string `json:",omitempty"`
	MessageClass    string
	MessageCategory string
	MessageType     string
	ServiceID       string `json:",omitempty"` // 1 to 10 letters or digits, unique for the reader during 48 h
	DeviceID        string `json:",omitempty"`
	SaleID          string
	POIID           string
}

// SecurityTrailer proves an encrypted message.
type SecurityTrailer struct {
	AdyenCryptoVersion int
	KeyIdentifier      string
	KeyVersion         int
	Nonce              []byte
	Hmac               []byte
}

// Response is the result of a service.
type Response struct {
	Result             string // Success, Partial, Failure
	ErrorCondition     string `json:",omitempty"`
	AdditionalResponse string `json:",omitempty"` // form-encoded: message=…&cause=…
}

// TransactionID names a transaction on one side of the link.
type TransactionID struct {
	TransactionID string
	TimeStamp     string // RFC 3339
}

// LoginRequest opens a session with a reader; on the link it asks who it is.
type LoginRequest struct {
	DateTime         string
	SaleSoftware     SaleSoftware
	OperatorLanguage string
	OperatorID       string            `json:",omitempty"`
	ShiftNumber      string            `json:",omitempty"`
	SaleTerminalData *SaleTerminalData `json:",omitempty"`
	POISerialNumber  string            `json:",omitempty"`
}

// SaleSoftware is the software of a till, or of a reader.
type SaleSoftware struct {
	ManufacturerID    string
	ApplicationName   string
	SoftwareVersion   string
	CertificationCode string
}

// SaleTerminalData is what the till can do itself.
type SaleTerminalData struct {
	TerminalEnvironment string   `json:",omitempty"`
	SaleCapabilities    []string `json:",omitempty"`
	TotalsGroupID       string   `json:",omitempty"`
}

// LoginResponse says who a reader is.
type LoginResponse struct {
	Response      Response
	POISystemData *POISystemData `json:",omitempty"`
}

// POISystemData is a reader with its software and state.
type POISystemData struct {
	DateTime        string
	POISoftware     SaleSoftware
	POITerminalData *POITerminalData `json:",omitempty"`
	POIStatus       *POIStatus       `json:",omitempty"`
}

// POITerminalData is a reader as a piece of hardware.
type POITerminalData struct {
	TerminalEnvironment string
	POICapabilities     []string
	POISerialNumber     string
}

// LogoutRequest ends a session.
type LogoutRequest struct {
	MaintenanceAllowed bool `json:",omitempty"`
}

// LogoutResponse answers it.
type LogoutResponse struct{ Response Response }

// PaymentRequest asks for a payment, or a refund.
type PaymentRequest struct {
	SaleData           SaleData
	PaymentTransaction PaymentTransaction
	PaymentData        *PaymentData `json:",omitempty"`
}

// SaleData is the till's side of a payment.
type SaleData struct {
	SaleTransactionID  TransactionID
	OperatorID         string `json:",omitempty"`
	SaleReferenceID    string `json:",omitempty"`
	SaleToAcquirerData string `json:",omitempty"`
	TokenRequestedType string `json:",omitempty"`
}

// PaymentTransaction is how much, and under which conditions.
type PaymentTransaction struct {
	AmountsReq             AmountsReq
	OriginalPOITransaction *OriginalPOITransaction `json:",omitempty"`
	TransactionConditions  *TransactionConditions  `json:",omitempty"`
}

// AmountsReq carries amounts in major units as JSON numbers: read as text, never as a float.
type AmountsReq struct {
	Currency        string
	RequestedAmount json.Number
	TipAmount       json.Number `json:",omitempty"`
	CashBackAmount  json.Number `json:",omitempty"`
	PaidAmount      json.Number `json:",omitempty"`
}

// OriginalPOITransaction names the payment that a refund or a reversal goes back to.
type OriginalPOITransaction struct {
	SaleID           string         `json:",omitempty"`
	POIID            string         `json:",omitempty"`
	POITransactionID *TransactionID `json:",omitempty"`
	ApprovalCode     string         `json:",omitempty"`
}

// TransactionConditions narrows what the reader may accept.
type TransactionConditions struct {
	AllowedPaymentBrand []string `json:",omitempty"`
	ForceEntryMode      []string `json:",omitempty"`
	ForceOnlineFlag     bool     `json:",omitempty"`
	CustomerLanguage    string   `json:",omitempty"`
}

// PaymentData says which type of payment it is.
type PaymentData struct {
	PaymentType string `json:",omitempty"` // Normal when empty; Refund
}

// PaymentResponse is the final word on a payment or a refund.
type PaymentResponse struct {
	Response       Response
	SaleData       *SaleData        `json:",omitempty"`
	POIData        *POIData         `json:",omitempty"`
	PaymentResult  *PaymentResult   `json:",omitempty"`
	PaymentReceipt []PaymentReceipt `json:",omitempty"`
}

// POIData is the reader's own number for a transaction.
type POIData struct {
	POITransactionID    TransactionID
	POIReconciliationID string `json:",omitempty"`
}

// PaymentResult is what was paid, and with what.
type PaymentResult struct {
	PaymentType           string                 `json:",omitempty"`
	AmountsResp           *AmountsResp           `json:",omitempty"`
	OnlineFlag            bool                   `json:",omitempty"`
	AuthenticationMethod  []string               `json:",omitempty"`
	CustomerLanguage      string                 `json:",omitempty"`
	PaymentAcquirerData   *PaymentAcquirerData   `json:",omitempty"`
	PaymentInstrumentData *PaymentInstrumentData `json:",omitempty"`
}

// AmountsResp is the amount that was authorised.
type AmountsResp struct {
	Currency         string
	AuthorizedAmount json.Number
}

// PaymentAcquirerData is the acquirer's side of a payment.
type PaymentAcquirerData struct {
	AcquirerID            string         `json:",omitempty"`
	MerchantID            string         `json:",omitempty"`
	AcquirerPOIID         string         `json:",omitempty"`
	AcquirerTransactionID *TransactionID `json:",omitempty"`
	ApprovalCode          string         `json:",omitempty"`
}

// PaymentInstrumentData is the means that paid.
type PaymentInstrumentData struct {
	PaymentInstrumentType string
	CardData              *CardData `json:",omitempty"`
}

// CardData is a card, never in clear.
type CardData struct {
	PaymentBrand    string
	MaskedPan       string        `json:",omitempty"`
	EntryMode       []string      `json:",omitempty"`
	CardCountryCode string        `json:",omitempty"`
	PaymentToken    *PaymentToken `json:",omitempty"` // the merchant's own fingerprint of the card
}

// PaymentToken stands for a card.
type PaymentToken struct {
	TokenRequestedType string
	TokenValue         string
}

// PaymentReceipt is a slip, to be printed by the till.
type PaymentReceipt struct {
	DocumentQualifier     string
	RequiredSignatureFlag bool `json:",omitempty"`
	IntegratedPrintFlag   bool `json:",omitempty"`
	OutputContent         OutputContent
}

// OutputContent is something to show or to print.
type OutputContent struct {
	OutputFormat      string             // Text, XHTML, BarCode, MessageRef
	PredefinedContent *PredefinedContent `json:",omitempty"`
	OutputText        []OutputText       `json:",omitempty"`
	OutputXHTML       string             `json:",omitempty"`
}

// PredefinedContent names something to show instead of writing it out.
type PredefinedContent struct {
	ReferenceID string // as progress: TransactionID=…&TimeStamp=…&event=…
	Language    string `json:",omitempty"`
}

// OutputText is a piece of text.
type OutputText struct {
	Text           string
	CharacterStyle string `json:",omitempty"`
	Alignment      string `json:",omitempty"`
	EndOfLineFlag  bool   `json:",omitempty"`
}

// ReversalRequest takes back a payment.
type ReversalRequest struct {
	OriginalPOITransaction OriginalPOITransaction
	ReversalReason         string      // CustCancel, MerchantCancel, Malfunction, Unable2Compl
	ReversedAmount         json.Number `json:",omitempty"`
	SaleData               *SaleData   `json:",omitempty"`
}

// ReversalResponse is the final word on it.
type ReversalResponse struct {
	Response               Response
	POIData                *POIData                `json:",omitempty"`
	OriginalPOITransaction *OriginalPOITransaction `json:",omitempty"`
	ReversedAmount         json.Number             `json:",omitempty"`
	PaymentReceipt         []PaymentReceipt        `json:",omitempty"`
}

// MessageReference names an earlier message.
type MessageReference struct {
	MessageCategory string
	SaleID          string `json:",omitempty"`
	ServiceID       string `json:",omitempty"`
	DeviceID        string `json:",omitempty"`
	POIID           string `json:",omitempty"`
}

// TransactionStatusRequest asks what became of a request.
type TransactionStatusRequest struct {
	MessageReference   *MessageReference `json:",omitempty"`
	ReceiptReprintFlag bool              `json:",omitempty"`
	DocumentQualifier  []string          `json:",omitempty"`
}

// TransactionStatusResponse answers with the response that was lost, where there is one.
type TransactionStatusResponse struct {
	Response                Response
	MessageReference        *MessageReference        `json:",omitempty"`
	RepeatedMessageResponse *RepeatedMessageResponse `json:",omitempty"`
}

// RepeatedMessageResponse is that response under its own header.
type RepeatedMessageResponse struct {
	MessageHeader               MessageHeader
	RepeatedResponseMessageBody RepeatedResponseMessageBody
}

// RepeatedResponseMessageBody is its body; one member is set.
type RepeatedResponseMessageBody struct {
	PaymentResponse  *PaymentResponse  `json:",omitempty"`
	ReversalResponse *ReversalResponse `json:",omitempty"`
}

// AbortRequest asks a reader to end what it does; its answer is that request's response.
type AbortRequest struct {
	AbortReason      string
	MessageReference MessageReference
	DisplayOutput    *DisplayOutput `json:",omitempty"`
}

// DiagnosisRequest asks a reader how it is.
type DiagnosisRequest struct {
	HostDiagnosisFlag bool     `json:",omitempty"`
	AcquirerID        []string `json:",omitempty"`
}

// DiagnosisResponse answers it.
type DiagnosisResponse struct {
	Response     Response
	LoggedSaleID []string     `json:",omitempty"`
	POIStatus    *POIStatus   `json:",omitempty"`
	HostStatus   []HostStatus `json:",omitempty"`
}

// POIStatus is how a reader is.
type POIStatus struct {
	GlobalStatus        string // OK, Busy, Maintenance, Unreachable
	SecurityOKFlag      bool
	PEDOKFlag           bool
	CardReaderOKFlag    bool
	PrinterStatus       string `json:",omitempty"` // OK, PaperLow, NoPaper, PaperJam, OutOfOrder
	CommunicationOKFlag bool
	FraudPreventionFlag bool
}

// HostStatus tells whether a reader reaches an acquirer.
type HostStatus struct {
	AcquirerID      string
	IsReachableFlag bool
}

// PrintRequest asks a reader to print.
type PrintRequest struct{ PrintOutput PrintOutput }

// PrintOutput is what it prints.
type PrintOutput struct {
	DocumentQualifier     string
	ResponseMode          string
	IntegratedPrintFlag   bool `json:",omitempty"`
	RequiredSignatureFlag bool `json:",omitempty"`
	OutputContent         OutputContent
}

// PrintResponse answers it.
type PrintResponse struct {
	DocumentQualifier string
	Response          Response
}

// DisplayRequest shows something to the cashier: as progress of a payment it needs no answer.
type DisplayRequest struct{ DisplayOutput []DisplayOutput }

// DisplayOutput is what it shows.
type DisplayOutput struct {
	Device               string
	InfoQualify          string
	ResponseRequiredFlag bool `json:",omitempty"`
	OutputContent        OutputContent
}

// DisplayResponse answers it.
type DisplayResponse struct{ OutputResult []OutputResult }

// OutputResult tells whether it was shown.
type OutputResult struct {
	Device      string
	InfoQualify string
	Response    Response
}

// EventNotification tells what happened; nobody answers it.
type EventNotification struct {
	TimeStamp               string
	EventToNotify           string
	EventDetails            string `json:",omitempty"`
	RejectedMessage         string `json:",omitempty"` // base64
	MaintenanceRequiredFlag bool   `json:",omitempty"`
}

// AuthorisationRequest asks the acquirer, through the hub, whether a card may
// pay (caaa.001) or a sale be cancelled (caaa.005, when Kind is void).
type AuthorisationRequest struct {
	POIID       string `json:"poi_id"`
	Exchange    string `json:"exchange_id"`      // the same again is the same request
	Attempt     string `json:"transaction_id"`   // SaleTransactionID of the payment
	Kind        string `json:"transaction_type"` // payment, void, refund
	Amount      int64  `json:"amount_minor"`
	Currency    string `json:"currency"`
	At          string `json:"transaction_time"`              // RFC 3339 with the reader's offset
	Envelope    []byte `json:"protected_card_data,omitempty"` // sealed to the connector's key, bound to Attempt
	Kept        []byte `json:"protected_card_reference,omitempty"`
	Masked      string `json:"masked_pan"`
	Fingerprint string `json:"card_fingerprint"`
	PAR         string `json:"payment_account_reference,omitempty"`
	Scheme      string `json:"scheme"`
	AID         string `json:"aid,omitempty"`
	Label       string `json:"application_label,omitempty"`
	Entry       string `json:"entry_mode"`
	CVM         string `json:"cardholder_verification"`
	EMV         []byte `json:"icc_data,omitempty"`
}

// AuthorisationResponse is the answer (caaa.002, caaa.006).
type AuthorisationResponse struct {
	Exchange string `json:"exchange_id"`
	Attempt  string `json:"transaction_id"`
	Approved bool   `json:"approved"`
	Code     string `json:"response_code"`
	Cause    string `json:"cause,omitempty"`
	Approval string `json:"approval_code,omitempty"`
	Issuer   []byte `json:"icc_data,omitempty"`
}

// Configuration is what a reader works with: terminal.Parameters as they are.
type Configuration struct {
	Parameters json.RawMessage `json:"parameters"`
}
