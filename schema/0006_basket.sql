-- +goose Up

-- A basket is a sale that is not sealed yet: its prices are frozen, its means of
-- payment come one by one. `reserved_minor` is what is paid or being paid, and the
-- CHECK is what keeps two means from taking the same part of the due.

CREATE TABLE basket (
  merchant_id    TEXT   NOT NULL,
  sale_id        TEXT   NOT NULL,
  register_id    TEXT   NOT NULL,
  state          TEXT   NOT NULL CHECK (state IN ('open', 'sealed', 'abandoned')),
  opened_at      BIGINT NOT NULL,
  operator       BIGINT NOT NULL,
  currency       TEXT   NOT NULL,
  total_minor    BIGINT NOT NULL CHECK (total_minor > 0),
  reserved_minor BIGINT NOT NULL, -- accepted, or a card leg under way or unknown
  accepted_minor BIGINT NOT NULL,
  cash_payer     TEXT   NOT NULL,
  priced         TEXT   NOT NULL, -- the priced sale, canonical JSON: never computed again
  request_hash   BYTEA  NOT NULL,
  ended_at       BIGINT, -- sealed or abandoned
  ended_by       BIGINT,
  reason         TEXT   NOT NULL, -- why it was abandoned
  PRIMARY KEY (merchant_id, sale_id),
  CHECK (accepted_minor >= 0 AND reserved_minor >= accepted_minor AND total_minor >= reserved_minor)
);
CREATE INDEX basket_open ON basket (merchant_id, register_id, sale_id) WHERE state = 'open';

CREATE TABLE basket_tender (
  merchant_id      TEXT    NOT NULL,
  tender_id        TEXT    NOT NULL,
  sale_id          TEXT    NOT NULL,
  position         BIGINT  NOT NULL CHECK (position > 0), -- in the order they were asked for
  means            TEXT    NOT NULL CHECK (means IN ('cash', 'card')),
  state            TEXT    NOT NULL CHECK (state IN ('processing', 'accepted', 'failed', 'returned')),
  amount_minor     BIGINT  NOT NULL CHECK (amount_minor > 0),
  received_minor   BIGINT  NOT NULL,
  change_minor     BIGINT  NOT NULL CHECK (change_minor >= 0),
  terminal_id      TEXT    NOT NULL, -- of a card; empty: on a terminal that is not connected
  payment_id       TEXT, -- of a card on a connected terminal
  print_slip       BOOLEAN NOT NULL,
  reference        TEXT    NOT NULL, -- what was typed of a payment on a terminal that is not connected
  manual           BOOLEAN NOT NULL, -- a person says so, no terminal did
  slip             TEXT    NOT NULL, -- digest of the card slip, in hex
  early            BOOLEAN NOT NULL, -- accepted before its ticket, and journaled then
  operator         BIGINT  NOT NULL,
  asked_at         BIGINT  NOT NULL,
  accepted_at      BIGINT,
  session_id       TEXT, -- the till session that accepted it
  returned_at      BIGINT,
  returned_by      BIGINT,
  returned_session TEXT, -- the till session that gave it back; NULL of a card while the register was closed
  confirmed_at     BIGINT, -- what a person had said, an acquirer says too
  PRIMARY KEY (merchant_id, tender_id),
  CHECK (received_minor - change_minor = amount_minor)
);
CREATE UNIQUE INDEX basket_tender_by_sale ON basket_tender (merchant_id, sale_id, position);
CREATE INDEX basket_tender_by_payment ON basket_tender (merchant_id, payment_id) WHERE payment_id IS NOT NULL;
CREATE INDEX basket_tender_by_session ON basket_tender (merchant_id, session_id) WHERE early;
CREATE INDEX basket_tender_returned ON basket_tender (merchant_id, returned_session) WHERE returned_session IS NOT NULL;

CREATE TABLE return_due ( -- a card was credited while the register was closed: its ticket is sealed when it opens
  merchant_id  TEXT   NOT NULL,
  reversal_id  TEXT   NOT NULL,
  register_id  TEXT   NOT NULL,
  sale_id      TEXT   NOT NULL, -- the original
  payment_id   TEXT   NOT NULL,
  amount_minor BIGINT NOT NULL CHECK (amount_minor > 0),
  operator     BIGINT NOT NULL,
  slip         TEXT   NOT NULL,
  at           BIGINT NOT NULL,
  PRIMARY KEY (merchant_id, reversal_id)
);
CREATE INDEX return_due_by_register ON return_due (merchant_id, register_id);

-- The sealed tender of a card. SQLite changes no CHECK in place, so the table is made again.

ALTER TABLE tender RENAME TO tender_of_cash;

CREATE TABLE tender (
  merchant_id    TEXT    NOT NULL,
  sale_id        TEXT    NOT NULL,
  position       BIGINT  NOT NULL CHECK (position > 0),
  tender_id      TEXT    NOT NULL,
  means          TEXT    NOT NULL CHECK (means IN ('cash', 'card')),
  amount_minor   BIGINT  NOT NULL CHECK (amount_minor <> 0), -- what it pays of the sale; negative: handed back
  received_minor BIGINT  NOT NULL,
  change_minor   BIGINT  NOT NULL CHECK (change_minor >= 0),
  payment_id     TEXT, -- of a card on a connected terminal
  slip           TEXT    NOT NULL DEFAULT '', -- digest of the card slip, in hex
  reference      TEXT    NOT NULL DEFAULT '', -- of a card on a terminal that is not connected
  manual         BOOLEAN NOT NULL DEFAULT FALSE, -- a person says so, no terminal did
  early          BOOLEAN NOT NULL DEFAULT FALSE, -- accepted before its ticket, and journaled then
  PRIMARY KEY (merchant_id, sale_id, position),
  CHECK (received_minor - change_minor = amount_minor)
);

INSERT INTO tender (merchant_id, sale_id, position, tender_id, means, amount_minor, received_minor, change_minor)
  SELECT merchant_id, sale_id, position, tender_id, means, amount_minor, received_minor, change_minor FROM tender_of_cash;

DROP TABLE tender_of_cash;

CREATE INDEX tender_by_payment ON tender (merchant_id, payment_id) WHERE payment_id IS NOT NULL;

ALTER TABLE sale ADD COLUMN original_id TEXT; -- of a return that a card's void or refund made
CREATE INDEX sale_by_original ON sale (merchant_id, original_id) WHERE original_id IS NOT NULL;

ALTER TABLE closing ADD COLUMN card_minor BIGINT NOT NULL DEFAULT 0; -- card tenders, returns taken off
ALTER TABLE closing ADD COLUMN card_manual_minor BIGINT NOT NULL DEFAULT 0; -- of these, what no terminal confirmed
ALTER TABLE closing ADD COLUMN held_minor BIGINT NOT NULL DEFAULT 0; -- cash of baskets not sealed in this session, less that of earlier ones sealed in it
