package tidy

import (
	"go/ast"
	"path"
	"regexp"
	"slices"
	"strings"
)

// owners is who each table of schema/ belongs to.
var owners = map[string]string{
	"merchant": "merchant", "site": "merchant", "register": "merchant", "merchant_key": "merchant",

	"person": "access", "login": "access", "login_try": "access", "session": "access", "api_key": "access", "audit_entry": "access",

	"category": "catalog", "article": "catalog", "article_price": "catalog",

	"till_session": "sale", "cash_movement": "sale", "sale": "sale", "sale_line": "sale", "sale_vat": "sale",
	"tender": "sale", "closing": "sale", "closing_vat": "sale", "basket": "sale", "basket_tender": "sale", "return_due": "sale",

	"fiscal_signer": "fiscal", "fiscal_chain": "fiscal", "fiscal_record": "fiscal",

	"ledger_transfer": "ledger",

	"contract": "contract", "contract_scheme": "contract", "fingerprint_key": "contract",

	"batch": "batch", "batch_part": "batch", "batch_line": "batch",

	"event": "event", "event_cursor": "event",

	"terminal": "terminal", "terminal_device": "terminal", "terminal_pairing": "terminal", "terminal_node": "terminal",
	"terminal_presence": "terminal", "terminal_dialogue": "terminal", "terminal_message": "terminal",

	"payment": "payment", "payment_attempt": "payment", "payment_operation": "payment", "payment_history": "payment",
	"payment_stan": "payment", "payment_request": "payment",

	"job": "base/job",
}

// reader may read every table and write none.
const reader = "report"

var (
	createTable = regexp.MustCompile(`(?m)^\s*CREATE TABLE (?:IF NOT EXISTS )?(\w+)`)
	// tableName finds a table after the word that precedes one, with what follows
	// it up to the next word of SQL, where a FROM may list more.
	tableName = regexp.MustCompile(`\b(FROM|INTO|UPDATE|JOIN|TABLE(?: IF (?:NOT )?EXISTS)?)\s+(\w+)((?:\s+(?:AS\s+)?[a-z]\w*)?(?:\s*,\s*\w+(?:\s+(?:AS\s+)?[a-z]\w*)?)*)`)
	moreName  = regexp.MustCompile(`,\s*(\w+)`)
	// built finds a table name that is put together at run time.
	built = regexp.MustCompile(`\b(FROM|INTO|JOIN)\s+(%|$)|\bUPDATE\s+%`)
	lower = regexp.MustCompile(`^\s*(select\s[^.]*\sfrom\s|insert\s+into\s|update\s+\w+\s+set\s|delete\s+from\s)`)
)

func tableRules() []rule {
	schema := "CREATE TABLE sale (\n);\nCREATE TABLE event (\n);\n"
	in := func(p, text, want string) plant {
		return plant{map[string]string{"schema/1.sql": schema, p: text}, want}
	}
	return []rule{
		{
			name:  "every table has an owner",
			why:   "a table that nobody owns is written by everybody",
			check: ownedTables,
			broken: []plant{
				bad("schema/1.sql", "CREATE TABLE stray (\n);\n", "table stray has no owner"),
			},
			fine: []plant{good("schema/1.sql", schema)},
		},
		{
			name:  "a table belongs to one package",
			why:   "its rules stand in one place; who wants to change it calls the owner, in the owner's words",
			check: namedTables,
			broken: []plant{
				in("fiscal/store.go", "package fiscal\nconst q = `SELECT 1 FROM sale WHERE x`\n", "sale belongs to sale"),
				in("fiscal/store.go", "package fiscal\nconst q = `SELECT 1 FROM fiscal_chain c, sale s`\n", "sale belongs to sale"),
				in("fiscal/store.go", "package fiscal\nconst q = `SELECT 1 FROM fiscal_chain AS c\nLEFT JOIN sale s ON x`\n", "sale belongs to sale"),
				in("fiscal/store.go", "package fiscal\nconst q = `UPDATE sale SET x = 1`\n", "sale belongs to sale"),
				in("sale/seal.go", "package sale\nconst q = `INSERT INTO sale (x) VALUES (1)`\n", "only store.go"),
				in("report/a.go", "package report\nconst q = `UPDATE sale SET x = 1`\n", "report writes nothing"),
				in("report/a.go", "package report\nconst q = `DELETE FROM sale`\n", "report writes nothing"),
				in("sale/store.go", "package sale\nimport \"fmt\"\nvar q = fmt.Sprintf(`SELECT 1 FROM %s`, t)\n", "put together at run time"),
				in("sale/store.go", "package sale\nvar q = `SELECT 1 FROM ` + t\n", "put together at run time"),
				in("sale/store.go", "package sale\nconst q = `select 1 from sale`\n", "upper case"),
			},
			fine: []plant{
				in("sale/store.go", "package sale\nconst q = `SELECT 1 FROM sale s, sale AS t WHERE x`\n", ""),
				in("sale/store_lines.go", "package sale\nconst q = `INSERT INTO sale (x) VALUES (1) ON CONFLICT DO UPDATE SET x = 1`\n", ""),
				in("report/a.go", "package report\nconst q = `SELECT 1 FROM sale JOIN event e ON x`\n", ""),
				in("fiscal/a.go", "package fiscal\n// FROM sale we learn nothing.\nconst m = `taken from sale`\n", ""),
				in("fiscal/a_test.go", "package fiscal\nconst q = `UPDATE sale SET x = 1`\n", ""),
				in("base/db/a.go", "package db\nconst q = `SELECT 1 FROM sqlite_master`\n", ""),
			},
		},
	}
}

func ownedTables(t *tree) []finding {
	var out []finding
	for _, f := range t.files {
		if !within(f.path, "schema") || path.Ext(f.path) != ".sql" {
			continue
		}
		for _, at := range createTable.FindAllStringSubmatchIndex(f.text, -1) {
			if name := f.text[at[2]:at[3]]; owners[name] == "" {
				line := 1 + strings.Count(f.text[:at[2]], "\n")
				out = append(out, finding{f.path, line, "table " + name + " has no owner in test/tidy/tables_test.go"})
			}
		}
	}
	return out
}

func namedTables(t *tree) []finding {
	var out []finding
	for _, f := range t.code(false) {
		if f.tooling() {
			continue
		}
		literals(f, func(lit *ast.BasicLit, text string) {
			for _, what := range sqlFaults(f, text) {
				out = append(out, t.at(f, lit, "%s", what))
			}
		})
	}
	return out
}

// sqlFaults says what is wrong with one SQL text in f.
func sqlFaults(f *file, text string) []string {
	var out []string
	if lower.MatchString(text) {
		out = append(out, "the words of SQL are written in upper case, or no rule can read them")
	}
	if built.MatchString(text) && !within(f.path, "base/db") {
		out = append(out, "a table's name is put together at run time: no rule can read it")
	}
	for _, found := range tableName.FindAllStringSubmatchIndex(text, -1) {
		word, names := text[found[2]:found[3]], []string{text[found[4]:found[5]]}
		for _, more := range moreName.FindAllStringSubmatch(text[found[6]:found[7]], -1) {
			names = append(names, more[1])
		}
		reads := (word == "FROM" || word == "JOIN") && !strings.HasSuffix(strings.TrimSpace(text[:found[0]]), "DELETE")
		for _, name := range names {
			if what := tableFault(f, name, reads); what != "" && !slices.Contains(out, what) {
				out = append(out, what)
			}
		}
	}
	return out
}

func tableFault(f *file, table string, reads bool) string {
	owner := owners[table]
	switch {
	case owner == "":
		return ""
	case f.dir() == reader && reads:
		return ""
	case f.dir() == reader:
		return "report writes nothing, " + table + " neither"
	case f.dir() != owner:
		return "table " + table + " belongs to " + owner
	case !storeFile.MatchString(path.Base(f.path)):
		return "only store.go (or store_….go) names the table " + table
	}
	return ""
}

var storeFile = regexp.MustCompile(`^store(_\w+)?\.go$`)
