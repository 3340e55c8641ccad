package sale

import (
	"encaisse/base/money"
	"encaisse/base/problem"
)

// Who hands over cash, as the ceiling of the Code monétaire et financier
// (art. L112-6, D112-3) tells them apart.
const (
	Resident    = "resident"     // tax resident in France, or acting for a business
	NonResident = "non_resident" // proves residence abroad and a private purpose
)

// Ceilings of cash for one debt, in minor units of the euro.
const (
	cashCeilingResident    = 1_000_00
	cashCeilingNonResident = 15_000_00
)

// checkCash refuses more cash than the law lets change hands for one debt,
// whichever way it goes. All cash legs of the sale count together.
func checkCash(payer string, currency money.Currency, tenders []Tender) error {
	if currency != "EUR" {
		return nil
	}
	ceiling := int64(cashCeilingResident)
	if payer == NonResident {
		ceiling = cashCeilingNonResident
	}
	var cash int64
	for _, t := range tenders {
		if t.Means == Cash {
			cash += t.Amount
		}
	}
	if max(cash, -cash) > ceiling {
		return problem.New(problem.Invalid, "sale.cash_ceiling",
			"ceiling", money.Amount{Minor: ceiling, Currency: currency}).At("tenders")
	}
	return nil
}
