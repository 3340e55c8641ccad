package simulator

// Response codes (ISO 8583:1987 field 39, with the readings of French acquirers:
// the bank of the card names them, the acquirer passes them on).
const (
	codeApproved     = "00"
	codeReferral     = "02"
	codeAcceptor     = "03" // not known here
	codeRefused      = "05"
	codeInvalid      = "12"
	codeAmount       = "13"
	codeNumber       = "14"
	codeTooLate      = "21" // cannot be undone any more
	codeNoRecord     = "25" // the original is not known here
	codeFormat       = "30"
	codeLost         = "41"
	codeStolen       = "43"
	codeFunds        = "51"
	codeExpired      = "54"
	codePIN          = "55"
	codeNotAccepted  = "57" // the scheme is not in the contract
	codeTerminal     = "58" // not in the contract
	codeLimit        = "61"
	codeRestricted   = "62"
	codeSecurity     = "63"
	codeInsert       = "65" // contactless is exhausted: insert the card
	codeInsertFrance = "1A" // the same, as Visa and CB write it
	codeWithdrawn    = "68" // reversed before it came
	codePINTries     = "75"
	codeSignedOff    = "91"
	codeDuplicate    = "94"
	codeOutOfBalance = "95"
	codeMalfunction  = "96"
)

// Settlement codes (field 66).
const (
	inBalance    = "1"
	outOfBalance = "2"
	notSettled   = "3"
)

// What a refusal by contract adds (field 44): the two have one response code.
const (
	saysScheme      = "SCHEME"
	saysAffiliation = "AFFILIATION"
)
