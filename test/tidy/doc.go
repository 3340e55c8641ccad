// Package tidy holds the rules of the house as tests: which package may import
// which, who names a table, where time and environment come from, how long a
// function may be, what a name or a page may not say.
//
// A rule is one entry in the table of rules_test.go with its reason, its check,
// and cases planted in memory that it must find or must leave alone: a rule that
// cannot be seen to fail is no rule. What a rule must tolerate stands in
// exceptions_test.go, each with its reason; an exception nobody needs any more
// is a failure too.
//
// The lists to edit when the design changes: tiers_test.go (import tiers),
// modules_test.go (third-party modules), tables_test.go (owner of each table).
package tidy
