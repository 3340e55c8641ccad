package access

import (
	"slices"

	"encaisse/base/problem"
)

// Role is what somebody is in the merchant's team. There are three (UPM-044).
type Role string

// The roles.
const (
	Administrator Role = "administrator"
	Manager       Role = "manager"
	User          Role = "user"
)

// Permission is what an act asks for.
type Permission string

// The permissions.
const (
	MerchantRead  Permission = "merchant.read"
	MerchantWrite Permission = "merchant.write"
	SiteWrite     Permission = "site.write"
	RegisterRead  Permission = "register.read"
	RegisterWrite Permission = "register.write"
	PeopleRead    Permission = "people.read"
	PeopleWrite   Permission = "people.write"
	KeysRead      Permission = "keys.read"
	KeysWrite     Permission = "keys.write"
	AuditRead     Permission = "audit.read"
	PortalEnter   Permission = "portal.enter"
	CatalogRead   Permission = "catalog.read"
	CatalogWrite  Permission = "catalog.write"
	SaleWrite     Permission = "sale.write"
	SaleRead      Permission = "sale.read"
	SaleReadAll   Permission = "sale.read_all"
	TillOpen      Permission = "till.open"
	TillClose     Permission = "till.close"
	CashMove      Permission = "cash.move"
	JournalRead   Permission = "journal.read"
	ReportRead    Permission = "report.read"
	EventRead     Permission = "event.read"
	ContractRead  Permission = "contract.read"
	ContractWrite Permission = "contract.write"
	BatchRead     Permission = "batch.read"
	BatchClose    Permission = "batch.close"

	TerminalRead   Permission = "terminal.read"
	TerminalManage Permission = "terminal.manage"

	PaymentWrite   Permission = "payment.write"
	PaymentRead    Permission = "payment.read"
	PaymentReadAll Permission = "payment.read_all"
	PaymentVoid    Permission = "payment.void"
	PaymentRefund  Permission = "payment.refund"
	PaymentManual  Permission = "payment.manual"
)

// rule is one row of the table: who, and which rows of product/features.md say so, or why.
type rule struct {
	roles  []Role
	reason string
}

var (
	everyone       = []Role{Administrator, Manager, User}
	managers       = []Role{Administrator, Manager}
	administrators = []Role{Administrator}
)

// table is who may do what. A permission that is not in it is nobody's. It is
// never written to.
var table = map[Permission]rule{
	MerchantRead:  {everyone, "the name and SIRET are on every ticket"},
	MerchantWrite: {administrators, "UPM-046 UPM-052"},
	SiteWrite:     {administrators, "UPM-046 UPM-052"},
	RegisterRead:  {everyone, "a till is chosen when one begins"},
	RegisterWrite: {administrators, "a register is a series of tickets for ever"},
	PeopleRead:    {managers, "UPM-049 UPM-050"},
	PeopleWrite:   {managers, "UPM-049 UPM-051; which roles they may touch: UPM-051 UPM-053"},
	KeysRead:      {administrators, "a key acts for the company"},
	KeysWrite:     {administrators, "a key acts for the company"},
	AuditRead:     {administrators, "it tells what managers did"},
	PortalEnter:   {managers, "UPM-047 UPM-050"},
	CatalogRead:   {everyone, "UPM-017"},
	CatalogWrite:  {managers, "UPM-048 UPM-050"},
	SaleWrite:     {everyone, "UPM-045"},
	SaleRead:      {everyone, "UPM-045: one's own"},
	SaleReadAll:   {managers, "UPM-045 UPM-050"},
	TillOpen:      {everyone, "who sells opens the till"},
	TillClose:     {everyone, "who sells closes the till"},
	CashMove:      {everyone, "journaled with the operator's number"},
	JournalRead:   {managers, "UPM-045: it holds everybody's sales"},
	ReportRead:    {managers, "UPM-045 UPM-050 UPM-058"},
	EventRead:     {managers, "UPM-045: it tells everybody's sales"},
	ContractRead:  {managers, "UPM-050"},
	ContractWrite: {administrators, "a contract says where the money goes"},
	BatchRead:     {managers, "UPM-045: it tells everybody's sales"},
	BatchClose:    {managers, "after it a sale is refunded and no longer cancelled"},

	TerminalRead:   {everyone, "SRC-010: who sells chooses the reader"},
	TerminalManage: {managers, "SRC-007 CCV-003: who may activate a reader"},

	PaymentWrite:   {everyone, "UPM-045: takes card payments"},
	PaymentRead:    {everyone, "UPM-045: one's own"},
	PaymentReadAll: {managers, "UPM-045 UPM-050"},
	PaymentVoid:    {everyone, "UPM-078 UPM-082: of one's own, with one's code"},
	PaymentRefund:  {everyone, "UPM-078 UPM-082: of one's own, with one's code"},
	PaymentManual:  {managers, "CCV-011: it stands against what a reader said"},
}

// manageable is which roles the people of a role may invite, change and
// deactivate (UPM-049, UPM-051, UPM-053).
func (r Role) manageable() []Role {
	switch r {
	case Administrator:
		return []Role{Administrator, Manager, User}
	case Manager:
		return []Role{User}
	}
	return nil
}

// check refuses a role that is none of the three.
func (r Role) check() error {
	switch r {
	case Administrator, Manager, User:
		return nil
	}
	return problem.New(problem.Invalid, "access.role").At("role")
}

// Table is who has which permission, for documentation and for tests that walk
// it. The caller owns it.
func Table() map[Permission][]Role {
	out := make(map[Permission][]Role)
	for permission, r := range table {
		out[permission] = slices.Clone(r.roles)
	}
	return out
}

// Allow refuses what the principal's role has no permission for. Problem
// access.forbidden, which names the role and the permission.
func Allow(p Principal, permission Permission) error {
	if slices.Contains(table[permission].roles, p.Role) {
		return nil
	}
	return problem.New(problem.Forbidden, "access.forbidden", "role", string(p.Role), "permission", string(permission))
}

// mayManage refuses people of a role that the principal may not invite, change
// or deactivate. Problem access.role_forbidden.
func mayManage(p Principal, roles ...Role) error {
	if err := Allow(p, PeopleWrite); err != nil {
		return err
	}
	for _, r := range roles {
		if !slices.Contains(p.Role.manageable(), r) {
			return problem.New(problem.Forbidden, "access.role_forbidden", "role", string(p.Role), "target", string(r))
		}
	}
	return nil
}
