-- Sealed tables on PostgreSQL: rows are written once. Run after every migration;
-- each statement may be run again. SQLSTATE ENS01 and the message "sealed:TABLE"
-- are how base/db recognises a seal.

CREATE OR REPLACE FUNCTION sealed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'sealed:%', TG_TABLE_NAME USING ERRCODE = 'ENS01', TABLE = TG_TABLE_NAME;
END $$;

-- audit_entry: nothing changes, nothing goes

CREATE OR REPLACE TRIGGER sealed_audit_entry BEFORE UPDATE OR DELETE ON audit_entry FOR EACH ROW
  EXECUTE FUNCTION sealed();

CREATE OR REPLACE TRIGGER sealed_audit_entry_truncate BEFORE TRUNCATE ON audit_entry FOR EACH STATEMENT
  EXECUTE FUNCTION sealed();

-- article_price: nothing changes, nothing goes

CREATE OR REPLACE TRIGGER sealed_article_price BEFORE UPDATE OR DELETE ON article_price FOR EACH ROW
  EXECUTE FUNCTION sealed();

CREATE OR REPLACE TRIGGER sealed_article_price_truncate BEFORE TRUNCATE ON article_price FOR EACH STATEMENT
  EXECUTE FUNCTION sealed();

-- cash_movement: nothing changes, nothing goes

CREATE OR REPLACE TRIGGER sealed_cash_movement BEFORE UPDATE OR DELETE ON cash_movement FOR EACH ROW
  EXECUTE FUNCTION sealed();

CREATE OR REPLACE TRIGGER sealed_cash_movement_truncate BEFORE TRUNCATE ON cash_movement FOR EACH STATEMENT
  EXECUTE FUNCTION sealed();

-- sale: nothing changes, nothing goes

CREATE OR REPLACE TRIGGER sealed_sale BEFORE UPDATE OR DELETE ON sale FOR EACH ROW
  EXECUTE FUNCTION sealed();

CREATE OR REPLACE TRIGGER sealed_sale_truncate BEFORE TRUNCATE ON sale FOR EACH STATEMENT
  EXECUTE FUNCTION sealed();

-- sale_line: nothing changes, nothing goes

CREATE OR REPLACE TRIGGER sealed_sale_line BEFORE UPDATE OR DELETE ON sale_line FOR EACH ROW
  EXECUTE FUNCTION sealed();

CREATE OR REPLACE TRIGGER sealed_sale_line_truncate BEFORE TRUNCATE ON sale_line FOR EACH STATEMENT
  EXECUTE FUNCTION sealed();

-- sale_vat: nothing changes, nothing goes

CREATE OR REPLACE TRIGGER sealed_sale_vat BEFORE UPDATE OR DELETE ON sale_vat FOR EACH ROW
  EXECUTE FUNCTION sealed();

CREATE OR REPLACE TRIGGER sealed_sale_vat_truncate BEFORE TRUNCATE ON sale_vat FOR EACH STATEMENT
  EXECUTE FUNCTION sealed();

-- tender: nothing changes, nothing goes

CREATE OR REPLACE TRIGGER sealed_tender BEFORE UPDATE OR DELETE ON tender FOR EACH ROW
  EXECUTE FUNCTION sealed();

CREATE OR REPLACE TRIGGER sealed_tender_truncate BEFORE TRUNCATE ON tender FOR EACH STATEMENT
  EXECUTE FUNCTION sealed();

-- closing: nothing changes, nothing goes

CREATE OR REPLACE TRIGGER sealed_closing BEFORE UPDATE OR DELETE ON closing FOR EACH ROW
  EXECUTE FUNCTION sealed();

CREATE OR REPLACE TRIGGER sealed_closing_truncate BEFORE TRUNCATE ON closing FOR EACH STATEMENT
  EXECUTE FUNCTION sealed();

-- closing_vat: nothing changes, nothing goes

CREATE OR REPLACE TRIGGER sealed_closing_vat BEFORE UPDATE OR DELETE ON closing_vat FOR EACH ROW
  EXECUTE FUNCTION sealed();

CREATE OR REPLACE TRIGGER sealed_closing_vat_truncate BEFORE TRUNCATE ON closing_vat FOR EACH STATEMENT
  EXECUTE FUNCTION sealed();

-- fiscal_record: nothing changes, nothing goes

CREATE OR REPLACE TRIGGER sealed_fiscal_record BEFORE UPDATE OR DELETE ON fiscal_record FOR EACH ROW
  EXECUTE FUNCTION sealed();

CREATE OR REPLACE TRIGGER sealed_fiscal_record_truncate BEFORE TRUNCATE ON fiscal_record FOR EACH STATEMENT
  EXECUTE FUNCTION sealed();

-- fiscal_signer: nothing changes, nothing goes

CREATE OR REPLACE TRIGGER sealed_fiscal_signer BEFORE UPDATE OR DELETE ON fiscal_signer FOR EACH ROW
  EXECUTE FUNCTION sealed();

CREATE OR REPLACE TRIGGER sealed_fiscal_signer_truncate BEFORE TRUNCATE ON fiscal_signer FOR EACH STATEMENT
  EXECUTE FUNCTION sealed();

-- ledger_transfer: nothing changes, nothing goes

CREATE OR REPLACE TRIGGER sealed_ledger_transfer BEFORE UPDATE OR DELETE ON ledger_transfer FOR EACH ROW
  EXECUTE FUNCTION sealed();

CREATE OR REPLACE TRIGGER sealed_ledger_transfer_truncate BEFORE TRUNCATE ON ledger_transfer FOR EACH STATEMENT
  EXECUTE FUNCTION sealed();

-- payment_history: nothing changes, nothing goes

CREATE OR REPLACE TRIGGER sealed_payment_history BEFORE UPDATE OR DELETE ON payment_history FOR EACH ROW
  EXECUTE FUNCTION sealed();

CREATE OR REPLACE TRIGGER sealed_payment_history_truncate BEFORE TRUNCATE ON payment_history FOR EACH STATEMENT
  EXECUTE FUNCTION sealed();

-- register: a till never becomes history, nor history a till

CREATE OR REPLACE TRIGGER sealed_register_update BEFORE UPDATE ON register FOR EACH ROW
  WHEN (NEW.kind <> OLD.kind)
  EXECUTE FUNCTION sealed();

CREATE OR REPLACE TRIGGER sealed_register_delete BEFORE DELETE ON register FOR EACH ROW
  EXECUTE FUNCTION sealed();

CREATE OR REPLACE TRIGGER sealed_register_truncate BEFORE TRUNCATE ON register FOR EACH STATEMENT
  EXECUTE FUNCTION sealed();

-- fiscal_chain: counters and perpetual totals only rise, identity stays

CREATE OR REPLACE TRIGGER sealed_fiscal_chain_update BEFORE UPDATE ON fiscal_chain FOR EACH ROW
  WHEN (NEW.seq < OLD.seq OR NEW.tickets < OLD.tickets OR NEW.zs < OLD.zs OR NEW.days < OLD.days
    OR NEW.absolute_minor < OLD.absolute_minor OR NEW.last_at < OLD.last_at
    OR NEW.origin <> OLD.origin OR NEW.history <> OLD.history OR NEW.owner_id <> OLD.owner_id
    OR NEW.merchant_id <> OLD.merchant_id OR NEW.chain_id <> OLD.chain_id)
  EXECUTE FUNCTION sealed();

CREATE OR REPLACE TRIGGER sealed_fiscal_chain_delete BEFORE DELETE ON fiscal_chain FOR EACH ROW
  EXECUTE FUNCTION sealed();

CREATE OR REPLACE TRIGGER sealed_fiscal_chain_truncate BEFORE TRUNCATE ON fiscal_chain FOR EACH STATEMENT
  EXECUTE FUNCTION sealed();

-- till_session: closed is closed

CREATE OR REPLACE TRIGGER sealed_till_session_update BEFORE UPDATE ON till_session FOR EACH ROW
  WHEN (OLD.state = 'closed')
  EXECUTE FUNCTION sealed();

CREATE OR REPLACE TRIGGER sealed_till_session_delete BEFORE DELETE ON till_session FOR EACH ROW
  EXECUTE FUNCTION sealed();

CREATE OR REPLACE TRIGGER sealed_till_session_truncate BEFORE TRUNCATE ON till_session FOR EACH STATEMENT
  EXECUTE FUNCTION sealed();

-- basket: its prices are frozen, and ended is ended

CREATE OR REPLACE TRIGGER sealed_basket_update BEFORE UPDATE ON basket FOR EACH ROW
  WHEN (OLD.state <> 'open' OR NEW.merchant_id <> OLD.merchant_id OR NEW.sale_id <> OLD.sale_id
    OR NEW.register_id <> OLD.register_id OR NEW.priced <> OLD.priced OR NEW.total_minor <> OLD.total_minor)
  EXECUTE FUNCTION sealed();

CREATE OR REPLACE TRIGGER sealed_basket_delete BEFORE DELETE ON basket FOR EACH ROW
  EXECUTE FUNCTION sealed();

CREATE OR REPLACE TRIGGER sealed_basket_truncate BEFORE TRUNCATE ON basket FOR EACH STATEMENT
  EXECUTE FUNCTION sealed();

-- basket_tender: what was asked for stays, and what went back is back

CREATE OR REPLACE TRIGGER sealed_basket_tender_update BEFORE UPDATE ON basket_tender FOR EACH ROW
  WHEN (OLD.state = 'returned' OR NEW.merchant_id <> OLD.merchant_id OR NEW.tender_id <> OLD.tender_id OR NEW.sale_id <> OLD.sale_id
    OR NEW.means <> OLD.means OR NEW.amount_minor <> OLD.amount_minor OR NEW.accepted_at <> OLD.accepted_at)
  EXECUTE FUNCTION sealed();

CREATE OR REPLACE TRIGGER sealed_basket_tender_delete BEFORE DELETE ON basket_tender FOR EACH ROW
  EXECUTE FUNCTION sealed();

CREATE OR REPLACE TRIGGER sealed_basket_tender_truncate BEFORE TRUNCATE ON basket_tender FOR EACH STATEMENT
  EXECUTE FUNCTION sealed();

-- person: deactivated, never deleted

CREATE OR REPLACE TRIGGER sealed_person_delete BEFORE DELETE ON person FOR EACH ROW
  EXECUTE FUNCTION sealed();

CREATE OR REPLACE TRIGGER sealed_person_truncate BEFORE TRUNCATE ON person FOR EACH STATEMENT
  EXECUTE FUNCTION sealed();
