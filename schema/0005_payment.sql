-- +goose Up

-- payment -------------------------------------------------------------------

CREATE TABLE payment ( -- one movement of money: what the merchant wants
  merchant_id      TEXT    NOT NULL,
  payment_id       TEXT    NOT NULL, -- made by the caller: the same again is the same payment
  owner            TEXT    NOT NULL, -- who wants it: a sale
  tender_id        TEXT    NOT NULL,
  terminal_id      TEXT    NOT NULL,
  contract_id      TEXT    NOT NULL,
  operator         BIGINT  NOT NULL,
  reference        TEXT    NOT NULL, -- for the slip
  currency         TEXT    NOT NULL,
  amount_minor     BIGINT  NOT NULL CHECK (amount_minor > 0),
  authorised_minor BIGINT  NOT NULL, -- approved by the host and not undone
  captured_minor   BIGINT  NOT NULL, -- in a batch
  voided_minor     BIGINT  NOT NULL, -- taken out of an open one
  refunded_minor   BIGINT  NOT NULL, -- credited in a later one
  pending_minor    BIGINT  NOT NULL, -- reserved by voids and refunds on their way
  state            TEXT    NOT NULL CHECK (state IN ('processing', 'unknown', 'succeeded', 'failed', 'canceled', 'orphaned')),
  cause            TEXT    NOT NULL,
  conflicted       BOOLEAN NOT NULL, -- a second, different outcome came: see payment_history
  manual_status    TEXT    NOT NULL CHECK (manual_status IN ('', 'success', 'failure')), -- by hand, beside the automatic one (CCV-011)
  manual_by        TEXT    NOT NULL,
  manual_at        BIGINT,
  manual_reason    TEXT    NOT NULL,
  created_at       BIGINT  NOT NULL,
  updated_at       BIGINT  NOT NULL,
  PRIMARY KEY (merchant_id, payment_id),
  CHECK (captured_minor >= 0 AND captured_minor <= authorised_minor AND authorised_minor <= amount_minor),
  CHECK (voided_minor >= 0 AND refunded_minor >= 0 AND pending_minor >= 0 AND voided_minor + refunded_minor + pending_minor <= captured_minor),
  CHECK ((manual_status = '') = (manual_at IS NULL))
);
CREATE INDEX payment_by_owner ON payment (merchant_id, owner);
CREATE INDEX payment_by_state ON payment (merchant_id, state, payment_id) WHERE state <> 'succeeded';

CREATE TABLE payment_attempt ( -- one try at it on one reader: the payment itself, or a void or refund of it
  merchant_id       TEXT    NOT NULL,
  attempt_id        TEXT    NOT NULL,
  payment_id        TEXT    NOT NULL,
  kind              TEXT    NOT NULL CHECK (kind IN ('payment', 'void', 'refund')),
  state             TEXT    NOT NULL CHECK (state IN ('prepared', 'sent', 'unknown', 'abandoned', 'succeeded', 'failed')),
  cause             TEXT    NOT NULL,
  stage             TEXT    NOT NULL, -- what the reader is doing
  terminal_id       TEXT    NOT NULL,
  contract_id       TEXT    NOT NULL,
  connector         TEXT    NOT NULL,
  acceptor_terminal TEXT    NOT NULL, -- the terminal's number at the acquirer
  zone              TEXT    NOT NULL,
  currency          TEXT    NOT NULL,
  amount_minor      BIGINT  NOT NULL CHECK (amount_minor > 0),
  operator          BIGINT  NOT NULL,
  actor             TEXT    NOT NULL,
  reason            TEXT    NOT NULL, -- of a void or refund
  remark            TEXT    NOT NULL,
  print_slip        BOOLEAN NOT NULL,
  asked_at          BIGINT  NOT NULL, -- the reader's 60 s run from here
  settled_at        BIGINT,
  word              TEXT    NOT NULL CHECK (word IN ('', 'success', 'failure')), -- the reader's final one
  reader_number     TEXT    NOT NULL, -- the reader's own number for it
  reader_at         BIGINT,
  approval          TEXT    NOT NULL,
  code              TEXT    NOT NULL,
  card              TEXT    NOT NULL, -- JSON: masked number, fingerprint, scheme, how it was read; nothing secret
  chip              TEXT    NOT NULL, -- JSON: the EMV section of the slip
  signed            BOOLEAN NOT NULL,
  printed           BOOLEAN NOT NULL,
  conflicted        BOOLEAN NOT NULL,
  tries             BIGINT  NOT NULL, -- times the reader was asked since it is in doubt
  next_try_at       BIGINT,           -- NULL: nothing is left to ask
  not_found_at      BIGINT,           -- when the reader first said that it knows nothing of it
  manual            BOOLEAN NOT NULL, -- tried so often that somebody has to look; it is tried on
  PRIMARY KEY (merchant_id, attempt_id)
);
CREATE INDEX payment_attempt_by_payment ON payment_attempt (merchant_id, payment_id, attempt_id);
CREATE UNIQUE INDEX payment_attempt_first ON payment_attempt (merchant_id, payment_id) WHERE kind = 'payment';
CREATE INDEX payment_attempt_due ON payment_attempt (next_try_at) WHERE next_try_at IS NOT NULL;

CREATE TABLE payment_operation ( -- what talks to the outside, or moves money in our books
  merchant_id       TEXT    NOT NULL,
  operation_id      TEXT    NOT NULL,
  attempt_id        TEXT    NOT NULL,
  payment_id        TEXT    NOT NULL,
  kind              TEXT    NOT NULL CHECK (kind IN ('authorise', 'capture', 'void', 'refund', 'reversal')),
  state             TEXT    NOT NULL CHECK (state IN ('prepared', 'sent', 'approved', 'declined', 'not_performed', 'unknown')),
  purpose           TEXT    NOT NULL, -- of an authorisation: purchase or refund; of a reversal: its reason
  original_id       TEXT    NOT NULL, -- the authorisation that a reversal undoes
  exchange          TEXT    NOT NULL, -- the reader's number for the request
  terminal_id       TEXT    NOT NULL,
  contract_id       TEXT    NOT NULL,
  connector         TEXT    NOT NULL,
  acceptor_terminal TEXT    NOT NULL,
  zone              TEXT    NOT NULL,
  currency          TEXT    NOT NULL,
  amount_minor      BIGINT  NOT NULL CHECK (amount_minor > 0),
  trace_number      BIGINT  NOT NULL CHECK (trace_number BETWEEN 0 AND 999999), -- committed before it is sent, the same when repeated; 0: never sent
  trace_at          BIGINT  NOT NULL,
  code              TEXT    NOT NULL, -- the host's
  cause             TEXT    NOT NULL, -- of a refusal, as the reader was told
  approval          TEXT    NOT NULL,
  rrn               TEXT    NOT NULL,
  issuer            BYTEA   NOT NULL, -- the issuer's objects for the chip
  detail            TEXT    NOT NULL,
  card              BYTEA   NOT NULL, -- what a reversal needs of the card, sealed; emptied when it needs it no more
  batch_id          TEXT    NOT NULL, -- of a capture or refund
  batch_number      BIGINT  NOT NULL,
  conflicted        BOOLEAN NOT NULL,
  created_at        BIGINT  NOT NULL,
  settled_at        BIGINT,
  tries             BIGINT  NOT NULL,
  next_try_at       BIGINT,
  manual            BOOLEAN NOT NULL,
  PRIMARY KEY (merchant_id, operation_id)
);
CREATE INDEX payment_operation_by_payment ON payment_operation (merchant_id, payment_id, operation_id);
CREATE INDEX payment_operation_by_attempt ON payment_operation (merchant_id, attempt_id, operation_id);
CREATE UNIQUE INDEX payment_operation_exchange ON payment_operation (merchant_id, attempt_id, exchange) WHERE exchange <> '';
CREATE UNIQUE INDEX payment_operation_live ON payment_operation (merchant_id, attempt_id)
  WHERE kind = 'authorise' AND state IN ('prepared', 'sent', 'unknown', 'approved');
CREATE UNIQUE INDEX payment_operation_capture ON payment_operation (merchant_id, payment_id) WHERE kind = 'capture';
CREATE UNIQUE INDEX payment_operation_giving ON payment_operation (merchant_id, attempt_id) WHERE kind IN ('void', 'refund');
CREATE UNIQUE INDEX payment_operation_reversal ON payment_operation (merchant_id, original_id) WHERE kind = 'reversal' AND state <> 'approved';
CREATE INDEX payment_operation_owed ON payment_operation (merchant_id, terminal_id) WHERE kind = 'reversal' AND state <> 'approved';
CREATE INDEX payment_operation_due ON payment_operation (next_try_at) WHERE next_try_at IS NOT NULL;

CREATE TABLE payment_history ( -- sealed: every transition and every try, with who and from where
  merchant_id  TEXT   NOT NULL,
  payment_id   TEXT   NOT NULL,
  history_id   TEXT   NOT NULL,
  attempt_id   TEXT   NOT NULL,
  operation_id TEXT   NOT NULL,
  subject      TEXT   NOT NULL, -- payment, attempt, authorise, capture, void, refund, reversal
  event        TEXT   NOT NULL,
  from_state   TEXT   NOT NULL,
  to_state     TEXT   NOT NULL,
  source       TEXT   NOT NULL, -- till, reader, host, resolver, book
  actor        TEXT   NOT NULL,
  detail       TEXT   NOT NULL, -- JSON
  at           BIGINT NOT NULL,
  PRIMARY KEY (merchant_id, payment_id, history_id)
);

CREATE TABLE payment_stan ( -- the last trace number of a terminal
  merchant_id TEXT   NOT NULL,
  terminal_id TEXT   NOT NULL,
  last_number BIGINT NOT NULL CHECK (last_number BETWEEN 1 AND 999999),
  PRIMARY KEY (merchant_id, terminal_id)
);

CREATE TABLE payment_request ( -- idempotency keys of voids and refunds, pruned after 30 days and more
  merchant_id  TEXT   NOT NULL,
  key_hash     BYTEA  NOT NULL, -- SHA-256
  body_hash    BYTEA  NOT NULL,
  attempt_id   TEXT   NOT NULL, -- what it made
  at           BIGINT NOT NULL,
  PRIMARY KEY (merchant_id, key_hash)
);
CREATE INDEX payment_request_by_age ON payment_request (at);
