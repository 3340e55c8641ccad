package access

import (
	"crypto/rand"
	"fmt"
	"math/big"
)

// DrawCode draws a 6-digit code at random that is not one everybody tries first.
func DrawCode() string {
	for {
		n, err := rand.Int(rand.Reader, big.NewInt(1_000_000))
		if err != nil {
			panic(err) // crypto/rand does not fail
		}
		if code := fmt.Sprintf("%06d", n); checkNewCode(code) == nil {
			return code
		}
	}
}
