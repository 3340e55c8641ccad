// Package terminaltest holds readers and protocols against the hub: whatever
// speaks to it, the same things happen.
//
// A [Room] is a hub on a real database behind a real HTTP server, with a
// merchant, and a [Desk] in the place of payment: it keeps what readers say and
// answers as it was told to. A [Kit] makes the readers of one implementation;
// [Run] takes them through everything a reader must do. [Wire] is a link
// without a reader, for what no reader would say.
//
// Nothing here names a protocol or a reader: the test that calls Run does.
package terminaltest
