// Package catalog knows what a merchant sells: articles with their price, VAT
// rate and barcode, in categories.
//
// Words. An Article is something that can be put on a ticket. Its reference is
// the merchant's own key for it, unique; where the merchant gives none it is the
// EAN, and without that the name. Its price is tax-included (TTC); an article
// without a price has it asked at the till, which is not the same as 0,00. Its
// nature is goods or service, which the fiscal journal needs. A Category groups
// articles on the screen. An article is archived, never deleted: tickets refer
// to it.
//
// Every price an article ever had stays in its history, written in the
// transaction that changes it, with who changed it.
//
// Import reads a CSV file as spreadsheets and other tills write it, finds the
// columns by their names (columns.go), names every line that is wrong, and puts
// the good ones in by reference: the same file twice changes nothing the second
// time.
package catalog
