package card

// Presented is a card as the reader that read it describes it. Nothing in it is
// secret but the two envelopes.
type Presented struct {
	Envelope    []byte // all the data of one authorisation: never stored
	Kept        []byte // [Data.Kept] alone: may be stored until the batch is acknowledged
	Masked      string
	Fingerprint string // by the merchant's key
	PAR         string // payment account reference, the same for a card and its wallets; often empty
	Scheme      Scheme // of the application that was chosen
	AID         string // of the application, hex
	Label       string // of the application, as a slip shows it
	Entry       Entry
	Verified    CVM
	EMV         []byte // BER-TLV objects for the issuer (ISO 8583 field 55), empty without chip
}

// Entry is how a card was read (SRC-003).
type Entry string

// Entries.
const (
	Chip              Entry = "chip"
	Contactless       Entry = "contactless"
	Wallet            Entry = "wallet" // contactless, the holder verified on the device
	Stripe            Entry = "stripe"
	StripeFallback    Entry = "stripe_fallback" // the chip could not be read
	ContactlessStripe Entry = "contactless_stripe"
	Keyed             Entry = "keyed"
)

// CVM is how the holder was verified.
type CVM string

// Holder verification methods.
const (
	NoCVM      CVM = "none"
	OfflinePIN CVM = "offline_pin"
	OnlinePIN  CVM = "online_pin"
	Signature  CVM = "signature"
	DeviceCVM  CVM = "device"
)
