package db_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"encaisse/base/db"
)

type (
	name  string
	count int64
	yesno bool
	octet []byte
)

const (
	insertAll = "INSERT INTO thing (merchant_id, thing_id, number, done, data, label) VALUES ($1, $2, $3, $4, $5, $6)"
	selectAll = "SELECT number, done, data, label FROM thing WHERE merchant_id = $1 AND thing_id = $2"
)

func TestValuesOfEveryKindComeBack(t *testing.T) {
	at := time.Date(2026, 11, 22, 10, 30, 0, 123_000_000, time.FixedZone("CET", 3600))
	text, number, yes := "é", int64(7), true
	cases := []struct {
		name string
		args []any // number, done, data, label
	}{
		{"basic", []any{int64(42), true, []byte{0, 1, 255}, "a\x01b"}},
		{"int", []any{42, false, []byte{}, ""}},
		{"named", []any{count(42), yesno(true), octet{1}, name("été")}},
		{"pointers", []any{&number, &yes, &[]byte{9}, &text}},
		{"nil", []any{nil, nil, nil, nil}},
		{"nil pointers", []any{(*int64)(nil), (*bool)(nil), []byte(nil), (*string)(nil)}},
		{"named nil", []any{(*count)(nil), (*yesno)(nil), octet(nil), (*name)(nil)}},
		{"time", []any{at, true, []byte{1}, "t"}},
		{"time pointer", []any{&at, true, []byte{1}, "t"}},
		{"nil time", []any{(*time.Time)(nil), true, []byte{1}, "t"}},
		{"extremes", []any{int64(1<<63 - 1), true, bytes.Repeat([]byte{0xff}, 70_000), string(bytes.Repeat([]byte("é"), 40_000))}},
	}
	each(t, func(t *testing.T, d *db.DB) {
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				write(t, d, func(tx *db.Tx) error {
					tx.Queue("DELETE FROM thing")
					_, err := tx.Exec(insertAll, append([]any{"m", c.name}, c.args...)...)
					return err
				})
				var have, want struct {
					Number *int64
					Done   *bool
					Data   []byte
					Label  *name
				}
				read(t, d, func(tx *db.Tx) error {
					return tx.QueryRow(selectAll, "m", c.name).Scan(&have.Number, &have.Done, &have.Data, &have.Label)
				})
				want.Number, want.Done, want.Data, want.Label = asInt(c.args[0]), asBool(c.args[1]), asBytes(c.args[2]), asName(c.args[3])
				if diff := cmp.Diff(want, have); diff != "" {
					t.Errorf("what came back differs (-want +have):\n%s", diff)
				}
			})
		}
	})
}

func asInt(v any) *int64 {
	var n int64
	switch v := v.(type) {
	case int64:
		n = v
	case int:
		n = int64(v)
	case count:
		n = int64(v)
	case *int64:
		return v
	case time.Time:
		n = v.UnixMilli()
	case *time.Time:
		if v == nil {
			return nil
		}
		n = v.UnixMilli()
	default:
		return nil
	}
	return &n
}

func asBool(v any) *bool {
	var b bool
	switch v := v.(type) {
	case bool:
		b = v
	case yesno:
		b = bool(v)
	case *bool:
		return v
	default:
		return nil
	}
	return &b
}

func asBytes(v any) []byte {
	switch v := v.(type) {
	case []byte:
		return v
	case octet:
		return v
	case *[]byte:
		return *v
	}
	return nil
}

func asName(v any) *name {
	var n name
	switch v := v.(type) {
	case string:
		n = name(v)
	case name:
		n = v
	case *string:
		if v == nil {
			return nil
		}
		n = name(*v)
	default:
		return nil
	}
	return &n
}

func TestScanIntoEveryKind(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		write(t, d, func(tx *db.Tx) error {
			_, err := tx.Exec(insertAll, "m", "a", int64(1_795_000_000_123), true, []byte("xyz"), "label")
			return err
		})
		var (
			i   int
			c   count
			at  time.Time
			pat *time.Time
			b   bool
			f   yesno
			o   octet
			pb  *[]byte
			n   name
			pn  *name
		)
		read(t, d, func(tx *db.Tx) error {
			return tx.QueryRow(`SELECT number, number, number, number, done, done, data, data, label, label
				FROM thing WHERE merchant_id = $1`, "m").Scan(&i, &c, &at, &pat, &b, &f, &o, &pb, &n, &pn)
		})
		want := time.UnixMilli(1_795_000_000_123).UTC()
		if i != 1_795_000_000_123 || c != count(i) || !at.Equal(want) || at.Location() != time.UTC || !pat.Equal(want) ||
			!b || !bool(f) || string(o) != "xyz" || string(*pb) != "xyz" || n != "label" || *pn != "label" {
			t.Error(i, c, at, pat, b, f, o, pb, n, pn)
		}
	})
}

func TestScanRefusesWhatDoesNotFit(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		write(t, d, func(tx *db.Tx) error {
			_, err := tx.Exec(insertAll, "m", "a", int64(1<<40), true, []byte("x"), "l")
			return err
		})
		dests := map[string]any{
			"SELECT label FROM thing":      new(int64),
			"SELECT number FROM thing":     new(string),
			"SELECT data FROM thing":       new(string),
			"SELECT parent FROM thing":     new(string),  // NULL
			"SELECT number + 0 FROM thing": new(bool),    // neither 0 nor 1
			"SELECT number - 1 FROM thing": new(int8),    // too large
			"SELECT number - 2 FROM thing": new(float64), // no float anywhere
			"SELECT 0.5 FROM thing":        new(int64),   //
			"SELECT number - 3 FROM thing": nil,          //
			"SELECT number - 4 FROM thing": int64(0),     // not a pointer
			"SELECT number - 5 FROM thing": new(time.Duration),
		}
		for query, dest := range dests {
			err := d.Read(t.Context(), func(tx *db.Tx) error { return tx.QueryRow(query).Scan(dest) })
			if err == nil {
				t.Errorf("%s into %T passed", query, dest)
			}
		}
		err := d.Read(t.Context(), func(tx *db.Tx) error {
			var one, two string
			return tx.QueryRow("SELECT label FROM thing").Scan(&one, &two)
		})
		wantCode(t, err, "db.scan")
	})
}

func TestArgumentsOfTheWrongTypeAreRefused(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		for _, arg := range []any{time.Second, new(time.Duration), 1.5, uint(1), struct{}{}, []string{"a"}, [3]byte{}} {
			err := d.Write(t.Context(), func(tx *db.Tx) error {
				_, err := tx.Exec("UPDATE thing SET label = $1", arg)
				return err
			})
			if err == nil {
				t.Errorf("%T passed", arg)
			}
		}
	})
}

// PostgreSQL keeps neither; SQLite would, until the day somebody moves.
func TestTextThatIsNoTextIsRefused(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		for _, text := range []any{"a\x00b", "\xff", name("\x00"), new("\xc3")} {
			err := d.Write(t.Context(), func(tx *db.Tx) error {
				_, err := tx.Exec("UPDATE thing SET label = $1", text)
				return err
			})
			wantCode(t, err, "db.text")
		}
	})
}

func TestParametersInAnyOrderAndAgain(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		write(t, d, func(tx *db.Tx) error {
			_, err := tx.Exec("INSERT INTO thing (label, merchant_id, thing_id, parent) VALUES ($3, $2, $1, $1)", "id", "m", "label")
			return err
		})
		read(t, d, func(tx *db.Tx) error {
			var id, parent, label string
			err := tx.QueryRow(`SELECT thing_id, parent, label FROM thing WHERE thing_id = $2 AND parent = $2 AND merchant_id = $1`,
				"m", "id").Scan(&id, &parent, &label)
			if id != "id" || parent != "id" || label != "label" {
				t.Error(id, parent, label)
			}
			return err
		})
		for name, call := range map[string]func(tx *db.Tx) error{
			"too few": func(tx *db.Tx) error {
				_, err := tx.Exec("UPDATE thing SET label = $1 WHERE thing_id = $2", "a")
				return err
			},
			"too many": func(tx *db.Tx) error { _, err := tx.Exec("UPDATE thing SET label = $1", "a", "b"); return err },
			"a hole":   func(tx *db.Tx) error { _, err := tx.Exec("UPDATE thing SET label = $2", "a", "b"); return err },
		} {
			if err := d.Write(t.Context(), call); err == nil {
				t.Errorf("%s: passed", name)
			}
		}
	})
}

// What goes in comes out, on both engines, whatever it is.
func TestValuesLaw(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		rapid.Check(t, func(r *rapid.T) {
			number := rapid.Int64Min(0).Draw(r, "number")
			data := rapid.SliceOf(rapid.Byte()).Draw(r, "data")
			label := rapid.StringOf(rapid.Rune().Filter(func(c rune) bool { return c != 0 })).Draw(r, "label")
			write(t, d, func(tx *db.Tx) error {
				tx.Queue("DELETE FROM thing")
				tx.Queue(insertAll, "m", "a", number, true, data, label)
				return nil
			})
			var n int64
			var b []byte
			var l string
			var done bool
			read(t, d, func(tx *db.Tx) error { return tx.QueryRow(selectAll, "m", "a").Scan(&n, &done, &b, &l) })
			if n != number || !done || !bytes.Equal(b, data) || l != label {
				r.Fatalf("have %d %v %x %q", n, done, b, l)
			}
		})
	})
}
