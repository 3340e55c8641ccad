// Package merchant knows who gets paid and where: companies, their sites and
// their registers.
//
// Words. A Merchant is a company with its legal identity (SIREN). A Site is a
// place where it sells (SIRET), with the time zone and the hour at which its
// business day begins. A Register is where tickets are numbered: a till, or a
// history register that holds what was sold before Encaisse and never becomes a
// till. Sites and registers are numbered from 1 within their merchant.
//
// A merchant is made by Found, with its first site and both its first
// registers, in the transaction of whoever sets up the rest (people, fiscal
// chains). Nothing here is ever deleted: tickets refer to it.
//
// The zones of sites come from the machine's time zone database; the program
// that must run without one imports time/tzdata.
package merchant
