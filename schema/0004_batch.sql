-- +goose Up

-- batch ---------------------------------------------------------------------

CREATE TABLE batch ( -- the card batch of a contract and a terminal
  merchant_id       TEXT   NOT NULL,
  batch_id          TEXT   NOT NULL,
  contract_id       TEXT   NOT NULL,
  terminal_id       TEXT   NOT NULL,
  acceptor_terminal TEXT   NOT NULL, -- the terminal's number at the acquirer
  number            BIGINT NOT NULL CHECK (number > 0), -- without hole for its contract and terminal; a resend keeps it
  currency          TEXT   NOT NULL,
  zone              TEXT   NOT NULL, -- of the terminal's site, IANA name
  state             TEXT   NOT NULL CHECK (state IN ('open', 'closed', 'sent', 'acknowledged', 'refused', 'unknown')),
  opened_at         BIGINT NOT NULL,
  closed_at         BIGINT,
  closed_by         TEXT   NOT NULL, -- empty while open
  debit_count       BIGINT NOT NULL, -- frozen when it closes, zero before
  debit_minor       BIGINT NOT NULL,
  credit_count      BIGINT NOT NULL,
  credit_minor      BIGINT NOT NULL,
  tries             BIGINT NOT NULL, -- how often it was sent
  sent_at           BIGINT,
  next_try_at       BIGINT,
  settled_at        BIGINT, -- when it was acknowledged
  code              TEXT   NOT NULL, -- the host's last answer
  detail            TEXT   NOT NULL,
  PRIMARY KEY (merchant_id, batch_id),
  UNIQUE (merchant_id, contract_id, terminal_id, number)
);
CREATE INDEX batch_by_state ON batch (merchant_id, state, batch_id) WHERE state <> 'acknowledged';

CREATE TABLE batch_part ( -- where captures of an open batch add up; a conditional UPDATE of it is how one joins
  merchant_id  TEXT   NOT NULL,
  batch_id     TEXT   NOT NULL,
  part         BIGINT NOT NULL,
  contract_id  TEXT   NOT NULL,
  terminal_id  TEXT   NOT NULL,
  number       BIGINT NOT NULL,
  state        TEXT   NOT NULL CHECK (state IN ('open', 'closed')),
  debit_count  BIGINT NOT NULL CHECK (debit_count >= 0),
  debit_minor  BIGINT NOT NULL CHECK (debit_minor >= 0),
  credit_count BIGINT NOT NULL CHECK (credit_count >= 0),
  credit_minor BIGINT NOT NULL CHECK (credit_minor >= 0),
  PRIMARY KEY (merchant_id, batch_id, part)
);
CREATE UNIQUE INDEX batch_part_open ON batch_part (merchant_id, contract_id, terminal_id, part) WHERE state = 'open';

CREATE TABLE batch_line ( -- one captured transaction, in one batch for ever
  merchant_id  TEXT    NOT NULL,
  operation_id TEXT    NOT NULL, -- the capture, or the refund
  batch_id     TEXT    NOT NULL,
  part         BIGINT  NOT NULL,
  payment_id   TEXT    NOT NULL,
  credit       BOOLEAN NOT NULL,
  amount_minor BIGINT  NOT NULL CHECK (amount_minor > 0),
  at           BIGINT  NOT NULL,
  removed_at   BIGINT, -- voided while the batch was open
  clearing     BYTEA   NOT NULL, -- what the acquirer is sent, the card in its envelope; emptied when it is acknowledged
  PRIMARY KEY (merchant_id, operation_id)
);
CREATE INDEX batch_line_by_batch ON batch_line (merchant_id, batch_id, operation_id);
