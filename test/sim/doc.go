// Package sim runs the real program and does to it what a machine, a crowd and a
// cheat do: kills it at any moment, sells from many sides at once, alters what it
// sealed. Its tests are the simulations; the package itself is what they, and the
// transcripts of test/script, are made of: build the program once, run it, talk
// to it, read and spoil its database from behind.
//
// # Words
//
// A [Shop] is an installation: a database with its first merchant and the files
// beside it. A [Server] is one running `encaisse serve`. A [Bakery] is a sales
// file nobody's till ever wrote, with what must come out of it computed beside
// it by other means than the product's.
//
// Whatever is random comes from [Seed], which prints where it began;
// ENCAISSE_SIM_SEED repeats a run.
package sim
