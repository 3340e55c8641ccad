// Package api is the door for programs: HTTP and JSON, described by OpenAPI.
//
// It holds no rule and opens no transaction. A request is decoded, one call is
// made to the noun it is about, and what comes back is encoded. What a noun
// refuses is answered as RFC 9457 says, through base/web, in the reader's language.
//
// # One row an operation
//
// Everything that is promised of an operation stands in its row (operation.go):
// its route, its words, who may call it, what it refuses and an example. The
// OpenAPI document, the documentation page and the check at the door are all made
// from it. An operation that declares no access does not start: the adapter
// panics when it is registered, and a test walks the document.
//
// # Reading
//
// Routes, parameters and the document are huma's. The body of a request is read
// once, by our own reader (decode.go), straight into its Go type: huma would read
// it twice, once as a tree of float64 in which 9007199254740993 is another number,
// take "Amount" for "amount", let the second of two amounts win, and answer with
// the value that was wrong. Ours knows every fault's place, names them all at once
// and never repeats a value.
//
// # Writing
//
// The caller makes the id of what it wants done: the same PUT again is the same
// thing (200 where the first was 201), another content under that id is 409.
package api
