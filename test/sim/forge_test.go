package sim

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"encaisse/base/db"
)

// forger signs a whole journal anew with a key of its own.
type forger struct {
	key *ecdsa.PrivateKey
}

func newForger(t *testing.T) *forger {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &forger{key}
}

// publicKey renders its public key as the database keeps one.
func (f *forger) publicKey(name string) (string, error) {
	der, err := x509.MarshalPKIXPublicKey(&f.key.PublicKey)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(der)
	return fmt.Sprintf("%s+%x+%s", name, sum[:4], base64.StdEncoding.EncodeToString(append([]byte{2}, der...))), nil
}

var prevHash = regexp.MustCompile(`"prev":"[0-9a-f]{64}"`)

// forge gives every record the content that rewrite makes of it, and everything
// that follows: links, hashes, trees, signatures, the key to check them with.
func (f *forger) forge(x *Spoiler, rewrite func(payload string) string) {
	for _, origin := range x.Texts(`SELECT origin FROM fiscal_chain WHERE seq > 0 ORDER BY origin`) {
		chain := x.Text(`SELECT chain_id FROM fiscal_chain WHERE origin = $1`, origin)
		var prev hash
		var leaves []hash
		for seq := int64(1); seq <= x.Int(`SELECT seq FROM fiscal_chain WHERE chain_id = $1`, chain) && x.err == nil; seq++ {
			var payload []byte
			x.Get([]any{&payload}, `SELECT payload FROM fiscal_record WHERE chain_id = $1 AND seq = $2`, chain, seq)
			text := prevHash.ReplaceAllString(rewrite(string(payload)), `"prev":"`+hex.EncodeToString(prev[:])+`"`)
			prev = leafHash([]byte(text))
			leaves = append(leaves, prev)
			signature, err := signCheckpoint(f.key, origin, leaves)
			if err != nil {
				x.err = err
			}
			x.Exec(`UPDATE fiscal_record SET payload = $3, hash = $4, signature = $5 WHERE chain_id = $1 AND seq = $2`, chain, seq, []byte(text), prev[:], signature)
		}
		x.Exec(`UPDATE fiscal_chain SET head = $2, edge = $3 WHERE chain_id = $1`, chain, prev[:], edgeBytes(leaves))
	}
	public, err := f.publicKey(x.Text(`SELECT name FROM fiscal_signer`))
	if err != nil {
		x.err = err
	}
	x.Exec(`UPDATE fiscal_signer SET public_key = $1`, public)
}

// TestFIS002_forged has the whole journal signed anew by somebody else. The
// database alone cannot tell, and verify says that; the public key kept outside
// can, and so can the checkpoints.
func TestFIS002_forged(t *testing.T) {
	const was, is = "Tarte aux figues", "Baguette tradition"
	Each(t, func(t *testing.T, engine db.Engine) {
		copies := Live(t, engine).Copies(t)
		for _, altered := range []bool{false, true} {
			t.Run(fmt.Sprintf("altered %v", altered), func(t *testing.T) {
				shop := copies(t)
				Spoil(t, shop, func(x *Spoiler) {
					newForger(t).forge(x, func(payload string) string {
						if altered {
							return strings.ReplaceAll(payload, was, is)
						}
						return payload
					})
					if altered {
						x.Exec(`UPDATE sale_line SET label = $2 WHERE label = $1`, was, is)
					}
				})
				alone := VerifyWith(t, shop.DSN, "", "")
				if !alone.OK || len(alone.Warnings) != 2 || !strings.Contains(alone.Warnings[1], "signed anew with another key would not be seen") {
					t.Errorf("without key and checkpoints: %+v", alone)
				}
				expect(t, VerifyWith(t, shop.DSN, shop.PublicKey, ""), HistoryOrigin+" record 1: its signature is not of a trusted key")
				expect(t, VerifyWith(t, shop.DSN, "", shop.Checkpoints), HistoryOrigin+" record ")
				expect(t, shop.Verify(t), HistoryOrigin+" record 1: its signature is not of a trusted key")
			})
		}
	})
}

// expect wants a discrepancy that begins so.
func expect(t *testing.T, v Verified, want string) {
	t.Helper()
	if v.OK || !strings.HasPrefix(v.FirstError, want) {
		t.Errorf("verify says %q, want %q", v.FirstError, want)
	}
}

// TestFIS013_secondHistory makes a second, shorter history with the merchant's own
// key: the program itself seals a day again on the database as it was before,
// without one cash ticket or with less in it. Only what was carried outside tells
// the two apart.
func TestFIS013_secondHistory(t *testing.T) {
	t.Log("coverage: FIS-013 partial: there is no screen yet to try it from")
	for name, c := range map[string]struct{ without, says string }{
		"a ticket less":     {"2021-03-02,09:00,1004,BAGUETTE,1,1.10\n", "1 record is missing after it: a checkpoint outside the database saw"},
		"a ticket for less": {"", "the records up to here are not those a checkpoint outside the database vouches for"},
	} {
		t.Run(name, func(t *testing.T) {
			Each(t, func(t *testing.T, engine db.Engine) {
				first := Found(t, engine)
				second := first.Copy(t) // the day before, keys and all
				dir := t.TempDir()
				articles, lines := dir+"/articles.csv", dir+"/lines.csv"
				write(t, articles, "article,category,vat_rate,price_usual\nBAGUETTE,Pains,5.5,1.10\n")
				write(t, lines, aDay)
				first.Replay(t, articles, lines)
				less := strings.Replace(aDay, c.without, "", 1)
				if c.without == "" {
					less = strings.Replace(aDay, "1004,BAGUETTE,1,1.10", "1004,BAGUETTE,1,0.10", 1)
				}
				write(t, lines, less)
				second.Replay(t, articles, lines)
				alone := VerifyWith(t, second.DSN, second.PublicKey, "")
				if !alone.OK || len(alone.Warnings) != 1 || !strings.Contains(alone.Warnings[0], "nothing outside the database vouches for the last records") {
					t.Errorf("without checkpoints: %+v", alone)
				}
				v := VerifyWith(t, second.DSN, second.PublicKey, first.Checkpoints)
				if v.OK || !strings.HasPrefix(v.FirstError, HistoryOrigin+" record ") || !strings.Contains(v.FirstError, c.says) {
					t.Errorf("with the first history's checkpoints: %q, want %q", v.FirstError, c.says)
				}
			})
		})
	}
}

const aDay = `date,time,ticket_number,article,quantity,unit_price
2021-03-01,08:00,1001,BAGUETTE,2,1.10
2021-03-01,08:10,1002,BAGUETTE,1,1.10
2021-03-02,08:30,1003,BAGUETTE,3,1.10
2021-03-02,09:00,1004,BAGUETTE,1,1.10
2021-03-02,09:30,1005,BAGUETTE,2,1.10
`

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
