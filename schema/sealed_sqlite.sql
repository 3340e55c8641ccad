-- Sealed tables on SQLite: rows are written once. Run after every migration; each
-- statement may be run again. The message "sealed:TABLE" is how base/db recognises
-- a seal.

-- audit_entry: nothing changes, nothing goes

DROP TRIGGER IF EXISTS sealed_audit_entry_update;
CREATE TRIGGER sealed_audit_entry_update BEFORE UPDATE ON audit_entry
BEGIN SELECT RAISE(ABORT, 'sealed:audit_entry'); END;

DROP TRIGGER IF EXISTS sealed_audit_entry_delete;
CREATE TRIGGER sealed_audit_entry_delete BEFORE DELETE ON audit_entry
BEGIN SELECT RAISE(ABORT, 'sealed:audit_entry'); END;

-- article_price: nothing changes, nothing goes

DROP TRIGGER IF EXISTS sealed_article_price_update;
CREATE TRIGGER sealed_article_price_update BEFORE UPDATE ON article_price
BEGIN SELECT RAISE(ABORT, 'sealed:article_price'); END;

DROP TRIGGER IF EXISTS sealed_article_price_delete;
CREATE TRIGGER sealed_article_price_delete BEFORE DELETE ON article_price
BEGIN SELECT RAISE(ABORT, 'sealed:article_price'); END;

-- cash_movement: nothing changes, nothing goes

DROP TRIGGER IF EXISTS sealed_cash_movement_update;
CREATE TRIGGER sealed_cash_movement_update BEFORE UPDATE ON cash_movement
BEGIN SELECT RAISE(ABORT, 'sealed:cash_movement'); END;

DROP TRIGGER IF EXISTS sealed_cash_movement_delete;
CREATE TRIGGER sealed_cash_movement_delete BEFORE DELETE ON cash_movement
BEGIN SELECT RAISE(ABORT, 'sealed:cash_movement'); END;

-- sale: nothing changes, nothing goes

DROP TRIGGER IF EXISTS sealed_sale_update;
CREATE TRIGGER sealed_sale_update BEFORE UPDATE ON sale
BEGIN SELECT RAISE(ABORT, 'sealed:sale'); END;

DROP TRIGGER IF EXISTS sealed_sale_delete;
CREATE TRIGGER sealed_sale_delete BEFORE DELETE ON sale
BEGIN SELECT RAISE(ABORT, 'sealed:sale'); END;

-- sale_line: nothing changes, nothing goes

DROP TRIGGER IF EXISTS sealed_sale_line_update;
CREATE TRIGGER sealed_sale_line_update BEFORE UPDATE ON sale_line
BEGIN SELECT RAISE(ABORT, 'sealed:sale_line'); END;

DROP TRIGGER IF EXISTS sealed_sale_line_delete;
CREATE TRIGGER sealed_sale_line_delete BEFORE DELETE ON sale_line
BEGIN SELECT RAISE(ABORT, 'sealed:sale_line'); END;

-- sale_vat: nothing changes, nothing goes

DROP TRIGGER IF EXISTS sealed_sale_vat_update;
CREATE TRIGGER sealed_sale_vat_update BEFORE UPDATE ON sale_vat
BEGIN SELECT RAISE(ABORT, 'sealed:sale_vat'); END;

DROP TRIGGER IF EXISTS sealed_sale_vat_delete;
CREATE TRIGGER sealed_sale_vat_delete BEFORE DELETE ON sale_vat
BEGIN SELECT RAISE(ABORT, 'sealed:sale_vat'); END;

-- tender: nothing changes, nothing goes

DROP TRIGGER IF EXISTS sealed_tender_update;
CREATE TRIGGER sealed_tender_update BEFORE UPDATE ON tender
BEGIN SELECT RAISE(ABORT, 'sealed:tender'); END;

DROP TRIGGER IF EXISTS sealed_tender_delete;
CREATE TRIGGER sealed_tender_delete BEFORE DELETE ON tender
BEGIN SELECT RAISE(ABORT, 'sealed:tender'); END;

-- closing: nothing changes, nothing goes

DROP TRIGGER IF EXISTS sealed_closing_update;
CREATE TRIGGER sealed_closing_update BEFORE UPDATE ON closing
BEGIN SELECT RAISE(ABORT, 'sealed:closing'); END;

DROP TRIGGER IF EXISTS sealed_closing_delete;
CREATE TRIGGER sealed_closing_delete BEFORE DELETE ON closing
BEGIN SELECT RAISE(ABORT, 'sealed:closing'); END;

-- closing_vat: nothing changes, nothing goes

DROP TRIGGER IF EXISTS sealed_closing_vat_update;
CREATE TRIGGER sealed_closing_vat_update BEFORE UPDATE ON closing_vat
BEGIN SELECT RAISE(ABORT, 'sealed:closing_vat'); END;

DROP TRIGGER IF EXISTS sealed_closing_vat_delete;
CREATE TRIGGER sealed_closing_vat_delete BEFORE DELETE ON closing_vat
BEGIN SELECT RAISE(ABORT, 'sealed:closing_vat'); END;

-- fiscal_record: nothing changes, nothing goes

DROP TRIGGER IF EXISTS sealed_fiscal_record_update;
CREATE TRIGGER sealed_fiscal_record_update BEFORE UPDATE ON fiscal_record
BEGIN SELECT RAISE(ABORT, 'sealed:fiscal_record'); END;

DROP TRIGGER IF EXISTS sealed_fiscal_record_delete;
CREATE TRIGGER sealed_fiscal_record_delete BEFORE DELETE ON fiscal_record
BEGIN SELECT RAISE(ABORT, 'sealed:fiscal_record'); END;

-- fiscal_signer: nothing changes, nothing goes

DROP TRIGGER IF EXISTS sealed_fiscal_signer_update;
CREATE TRIGGER sealed_fiscal_signer_update BEFORE UPDATE ON fiscal_signer
BEGIN SELECT RAISE(ABORT, 'sealed:fiscal_signer'); END;

DROP TRIGGER IF EXISTS sealed_fiscal_signer_delete;
CREATE TRIGGER sealed_fiscal_signer_delete BEFORE DELETE ON fiscal_signer
BEGIN SELECT RAISE(ABORT, 'sealed:fiscal_signer'); END;

-- ledger_transfer: nothing changes, nothing goes

DROP TRIGGER IF EXISTS sealed_ledger_transfer_update;
CREATE TRIGGER sealed_ledger_transfer_update BEFORE UPDATE ON ledger_transfer
BEGIN SELECT RAISE(ABORT, 'sealed:ledger_transfer'); END;

DROP TRIGGER IF EXISTS sealed_ledger_transfer_delete;
CREATE TRIGGER sealed_ledger_transfer_delete BEFORE DELETE ON ledger_transfer
BEGIN SELECT RAISE(ABORT, 'sealed:ledger_transfer'); END;

-- payment_history: nothing changes, nothing goes

DROP TRIGGER IF EXISTS sealed_payment_history_update;
CREATE TRIGGER sealed_payment_history_update BEFORE UPDATE ON payment_history
BEGIN SELECT RAISE(ABORT, 'sealed:payment_history'); END;

DROP TRIGGER IF EXISTS sealed_payment_history_delete;
CREATE TRIGGER sealed_payment_history_delete BEFORE DELETE ON payment_history
BEGIN SELECT RAISE(ABORT, 'sealed:payment_history'); END;

-- register: a till never becomes history, nor history a till

DROP TRIGGER IF EXISTS sealed_register_update;
CREATE TRIGGER sealed_register_update BEFORE UPDATE ON register
  WHEN NEW.kind <> OLD.kind
BEGIN SELECT RAISE(ABORT, 'sealed:register'); END;

DROP TRIGGER IF EXISTS sealed_register_delete;
CREATE TRIGGER sealed_register_delete BEFORE DELETE ON register
BEGIN SELECT RAISE(ABORT, 'sealed:register'); END;

-- fiscal_chain: counters and perpetual totals only rise, identity stays

DROP TRIGGER IF EXISTS sealed_fiscal_chain_update;
CREATE TRIGGER sealed_fiscal_chain_update BEFORE UPDATE ON fiscal_chain
  WHEN NEW.seq < OLD.seq OR NEW.tickets < OLD.tickets OR NEW.zs < OLD.zs OR NEW.days < OLD.days
    OR NEW.absolute_minor < OLD.absolute_minor OR NEW.last_at < OLD.last_at
    OR NEW.origin <> OLD.origin OR NEW.history <> OLD.history OR NEW.owner_id <> OLD.owner_id
    OR NEW.merchant_id <> OLD.merchant_id OR NEW.chain_id <> OLD.chain_id
BEGIN SELECT RAISE(ABORT, 'sealed:fiscal_chain'); END;

DROP TRIGGER IF EXISTS sealed_fiscal_chain_delete;
CREATE TRIGGER sealed_fiscal_chain_delete BEFORE DELETE ON fiscal_chain
BEGIN SELECT RAISE(ABORT, 'sealed:fiscal_chain'); END;

-- till_session: closed is closed

DROP TRIGGER IF EXISTS sealed_till_session_update;
CREATE TRIGGER sealed_till_session_update BEFORE UPDATE ON till_session
  WHEN OLD.state = 'closed'
BEGIN SELECT RAISE(ABORT, 'sealed:till_session'); END;

DROP TRIGGER IF EXISTS sealed_till_session_delete;
CREATE TRIGGER sealed_till_session_delete BEFORE DELETE ON till_session
BEGIN SELECT RAISE(ABORT, 'sealed:till_session'); END;

-- basket: its prices are frozen, and ended is ended

DROP TRIGGER IF EXISTS sealed_basket_update;
CREATE TRIGGER sealed_basket_update BEFORE UPDATE ON basket
  WHEN OLD.state <> 'open' OR NEW.merchant_id <> OLD.merchant_id OR NEW.sale_id <> OLD.sale_id
    OR NEW.register_id <> OLD.register_id OR NEW.priced <> OLD.priced OR NEW.total_minor <> OLD.total_minor
BEGIN SELECT RAISE(ABORT, 'sealed:basket'); END;

DROP TRIGGER IF EXISTS sealed_basket_delete;
CREATE TRIGGER sealed_basket_delete BEFORE DELETE ON basket
BEGIN SELECT RAISE(ABORT, 'sealed:basket'); END;

-- basket_tender: what was asked for stays, and what went back is back

DROP TRIGGER IF EXISTS sealed_basket_tender_update;
CREATE TRIGGER sealed_basket_tender_update BEFORE UPDATE ON basket_tender
  WHEN OLD.state = 'returned' OR NEW.merchant_id <> OLD.merchant_id OR NEW.tender_id <> OLD.tender_id OR NEW.sale_id <> OLD.sale_id
    OR NEW.means <> OLD.means OR NEW.amount_minor <> OLD.amount_minor OR NEW.accepted_at <> OLD.accepted_at
BEGIN SELECT RAISE(ABORT, 'sealed:basket_tender'); END;

DROP TRIGGER IF EXISTS sealed_basket_tender_delete;
CREATE TRIGGER sealed_basket_tender_delete BEFORE DELETE ON basket_tender
BEGIN SELECT RAISE(ABORT, 'sealed:basket_tender'); END;

-- person: deactivated, never deleted

DROP TRIGGER IF EXISTS sealed_person_delete;
CREATE TRIGGER sealed_person_delete BEFORE DELETE ON person
BEGIN SELECT RAISE(ABORT, 'sealed:person'); END;
