package emv

// TestIssuerKey is the master key under which the test cards of base/card make
// their cryptograms and the simulated issuer checks them. It is printed in every
// manual of a security module and protects nothing.
func TestIssuerKey() IssuerKey {
	return IssuerKey{0x01, 0x23, 0x45, 0x67, 0x89, 0xAB, 0xCD, 0xEF, 0xFE, 0xDC, 0xBA, 0x98, 0x76, 0x54, 0x32, 0x10}
}
