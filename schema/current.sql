-- Today's schema, for people to read: what the numbered migrations lead to, as SQLite
-- keeps it. A test holds it to them; go test ./base/db -run Current -update writes it anew.
-- The triggers that seal tables are in sealed_sqlite.sql and sealed_postgres.sql.

CREATE TABLE merchant (
  merchant_id TEXT   NOT NULL PRIMARY KEY,
  company     TEXT   NOT NULL,
  siren       TEXT   NOT NULL,
  currency    TEXT   NOT NULL,
  mode        TEXT   NOT NULL CHECK (mode IN ('simple', 'complet')),
  created_at  BIGINT NOT NULL
);

CREATE TABLE site (
  merchant_id   TEXT   NOT NULL,
  site_id       TEXT   NOT NULL,
  number        BIGINT NOT NULL,
  name          TEXT   NOT NULL,
  siret         TEXT   NOT NULL,
  zone          TEXT   NOT NULL, -- IANA name, Europe/Paris
  day_starts_at BIGINT NOT NULL CHECK (day_starts_at BETWEEN 0 AND 1439), -- minutes after local midnight: when a business day gives way to the next
  created_at    BIGINT NOT NULL,
  PRIMARY KEY (merchant_id, site_id),
  UNIQUE (merchant_id, number)
);

CREATE TABLE register (
  merchant_id TEXT   NOT NULL,
  register_id TEXT   NOT NULL,
  site_id     TEXT   NOT NULL,
  number      BIGINT NOT NULL,
  name        TEXT   NOT NULL,
  kind        TEXT   NOT NULL CHECK (kind IN ('till', 'history')), -- never convertible: sealed by a trigger
  created_at  BIGINT NOT NULL,
  PRIMARY KEY (merchant_id, register_id),
  UNIQUE (merchant_id, number),
  FOREIGN KEY (merchant_id, site_id) REFERENCES site (merchant_id, site_id)
);

CREATE TABLE merchant_key ( -- the merchant's data key, sealed under the master key (base/secret)
  merchant_id TEXT   NOT NULL PRIMARY KEY,
  sealed      BYTEA  NOT NULL,
  created_at  BIGINT NOT NULL
);

CREATE TABLE person (
  merchant_id TEXT   NOT NULL,
  person_id   TEXT   NOT NULL,
  number      BIGINT NOT NULL, -- the operator's number: what tickets and the journal carry instead of a name
  name        TEXT   NOT NULL,
  email       TEXT   NOT NULL,
  role        TEXT   NOT NULL CHECK (role IN ('administrator', 'manager', 'user')),
  state       TEXT   NOT NULL CHECK (state IN ('active', 'deactivated')),
  created_at  BIGINT NOT NULL,
  PRIMARY KEY (merchant_id, person_id),
  UNIQUE (merchant_id, number)
);

CREATE TABLE login ( -- platform table: an e-mail is unique over all merchants (UPM-055)
  email        TEXT   NOT NULL PRIMARY KEY, -- lower case, no spaces
  merchant_id  TEXT   NOT NULL,
  person_id    TEXT   NOT NULL,
  code_hash    TEXT   NOT NULL -- argon2id
);
CREATE UNIQUE INDEX login_by_person ON login (merchant_id, person_id);

CREATE TABLE login_try ( -- platform table: wrong codes per e-mail that was typed, known or not, so that a lock does not tell which are known
  email_hash   BYTEA  NOT NULL PRIMARY KEY, -- SHA-256
  tries        BIGINT NOT NULL CHECK (tries BETWEEN 1 AND 10),
  locked_until BIGINT NOT NULL, -- 0: not locked
  last_at      BIGINT NOT NULL
);
CREATE INDEX login_try_by_age ON login_try (last_at);

CREATE TABLE session ( -- platform table: who is signed in
  token_hash  BYTEA  NOT NULL PRIMARY KEY, -- SHA-256
  merchant_id TEXT   NOT NULL,
  person_id   TEXT   NOT NULL,
  created_at  BIGINT NOT NULL,
  idle_until  BIGINT NOT NULL, -- moved on by use, never past expires_at
  expires_at  BIGINT NOT NULL
);
CREATE INDEX session_by_person ON session (merchant_id, person_id);
CREATE INDEX session_by_idle ON session (idle_until);

CREATE TABLE api_key ( -- platform table: the key is shown once and kept as a hash
  key_hash    BYTEA  NOT NULL PRIMARY KEY,
  merchant_id TEXT   NOT NULL,
  key_id      TEXT   NOT NULL,
  name        TEXT   NOT NULL,
  role        TEXT   NOT NULL CHECK (role IN ('administrator', 'manager', 'user')),
  hint        TEXT   NOT NULL, -- its last four characters
  created_at  BIGINT NOT NULL,
  revoked_at  BIGINT
);
CREATE INDEX api_key_by_merchant ON api_key (merchant_id, key_id);

CREATE TABLE audit_entry ( -- sealed
  merchant_id  TEXT   NOT NULL,
  audit_id     TEXT   NOT NULL,
  at           BIGINT NOT NULL,
  actor        TEXT   NOT NULL, -- person or key
  action       TEXT   NOT NULL,
  subject      TEXT   NOT NULL,
  before_state TEXT, -- JSON
  after_state  TEXT, -- JSON
  PRIMARY KEY (merchant_id, audit_id)
);

CREATE TABLE category (
  merchant_id TEXT   NOT NULL,
  category_id TEXT   NOT NULL,
  name        TEXT   NOT NULL,
  position    BIGINT NOT NULL,
  PRIMARY KEY (merchant_id, category_id),
  UNIQUE (merchant_id, name)
);

CREATE TABLE article (
  merchant_id TEXT   NOT NULL,
  article_id  TEXT   NOT NULL,
  reference   TEXT   NOT NULL, -- the merchant's own key for it, unique; the name where it gives none
  name        TEXT   NOT NULL,
  name_key    TEXT   NOT NULL, -- the name without case and accents: the order and the search of lists
  category_id TEXT,
  nature      TEXT   NOT NULL CHECK (nature IN ('goods', 'service')),
  vat_bp      BIGINT NOT NULL CHECK (vat_bp BETWEEN 0 AND 10000),
  price_minor BIGINT CHECK (price_minor >= 0), -- TTC, today's; NULL: asked at the till
  currency    TEXT   NOT NULL,
  ean         TEXT,
  state       TEXT   NOT NULL CHECK (state IN ('active', 'archived')),
  created_at  BIGINT NOT NULL,
  updated_at  BIGINT NOT NULL,
  PRIMARY KEY (merchant_id, article_id),
  UNIQUE (merchant_id, reference),
  FOREIGN KEY (merchant_id, category_id) REFERENCES category (merchant_id, category_id)
);
CREATE UNIQUE INDEX article_by_ean ON article (merchant_id, ean) WHERE ean IS NOT NULL;
CREATE INDEX article_by_name ON article (merchant_id, name_key, article_id);

CREATE TABLE article_price ( -- sealed: what an article cost since when
  merchant_id TEXT   NOT NULL,
  article_id  TEXT   NOT NULL,
  since       BIGINT NOT NULL,
  price_minor BIGINT CHECK (price_minor >= 0),
  currency    TEXT   NOT NULL,
  actor       TEXT   NOT NULL,
  PRIMARY KEY (merchant_id, article_id, since)
);

CREATE TABLE till_session (
  merchant_id      TEXT   NOT NULL,
  session_id       TEXT   NOT NULL,
  register_id      TEXT   NOT NULL,
  business_date    TEXT   NOT NULL, -- 2026-11-22, decided once with the site's zone
  state            TEXT   NOT NULL CHECK (state IN ('open', 'closed')),
  currency         TEXT   NOT NULL,
  float_minor      BIGINT NOT NULL CHECK (float_minor >= 0),
  opened_at        BIGINT NOT NULL,
  opened_by        BIGINT NOT NULL, -- operator's number, 0: a program with an API key
  first_ticket     BIGINT NOT NULL, -- the number the first ticket of this session has or would have
  closed_at        BIGINT,
  PRIMARY KEY (merchant_id, session_id)
);
CREATE UNIQUE INDEX till_session_open ON till_session (merchant_id, register_id) WHERE state = 'open';
CREATE INDEX till_session_by_day ON till_session (merchant_id, register_id, business_date);

CREATE TABLE cash_movement ( -- sealed
  merchant_id  TEXT   NOT NULL,
  session_id   TEXT   NOT NULL,
  movement_id  TEXT   NOT NULL,
  direction    TEXT   NOT NULL CHECK (direction IN ('in', 'out')),
  amount_minor BIGINT NOT NULL CHECK (amount_minor > 0),
  currency     TEXT   NOT NULL,
  reason       TEXT   NOT NULL,
  at           BIGINT NOT NULL,
  operator     BIGINT NOT NULL,
  PRIMARY KEY (merchant_id, movement_id)
);
CREATE INDEX cash_movement_by_session ON cash_movement (merchant_id, session_id);

CREATE TABLE sale ( -- sealed, as are its lines, VAT and tenders
  merchant_id     TEXT   NOT NULL,
  sale_id         TEXT   NOT NULL,
  register_id     TEXT   NOT NULL,
  number          BIGINT NOT NULL CHECK (number > 0), -- without hole per register
  session_id      TEXT   NOT NULL,
  business_date   TEXT   NOT NULL,
  document        TEXT   NOT NULL CHECK (document IN ('ticket', 'return')),
  sealed_at       BIGINT NOT NULL,
  operator        BIGINT NOT NULL,
  currency        TEXT   NOT NULL,
  total_minor     BIGINT NOT NULL, -- TTC
  reduction_minor BIGINT NOT NULL, -- the ticket's own reduction, already spread over the lines
  reduction_name  TEXT   NOT NULL,
  external_ref    TEXT   NOT NULL,
  request_hash    BYTEA  NOT NULL, -- of the request that made it: the same again is the same sale
  PRIMARY KEY (merchant_id, sale_id),
  UNIQUE (merchant_id, register_id, number)
);

CREATE TABLE sale_line (
  merchant_id        TEXT   NOT NULL,
  sale_id            TEXT   NOT NULL,
  line               BIGINT NOT NULL CHECK (line > 0),
  article            TEXT   NOT NULL, -- its reference, empty for a line typed by hand
  label              TEXT   NOT NULL,
  nature             TEXT   NOT NULL,
  quantity_milli     BIGINT NOT NULL CHECK (quantity_milli <> 0),
  unit_minor         BIGINT NOT NULL CHECK (unit_minor >= 0), -- TTC, as sold
  list_minor         BIGINT, -- TTC, as the catalogue had it
  reduction_minor    BIGINT NOT NULL, -- the line's own reduction
  reduction_name     TEXT   NOT NULL,
  share_minor        BIGINT NOT NULL, -- its share of the ticket's reduction
  vat_bp             BIGINT NOT NULL,
  ttc_minor          BIGINT NOT NULL, -- after both reductions
  ht_minor           BIGINT NOT NULL,
  PRIMARY KEY (merchant_id, sale_id, line)
);

CREATE TABLE sale_vat (
  merchant_id TEXT   NOT NULL,
  sale_id     TEXT   NOT NULL,
  rate_bp     BIGINT NOT NULL,
  ttc_minor   BIGINT NOT NULL,
  ht_minor    BIGINT NOT NULL,
  vat_minor   BIGINT NOT NULL,
  PRIMARY KEY (merchant_id, sale_id, rate_bp),
  CHECK (ht_minor + vat_minor = ttc_minor)
);

CREATE TABLE tender (
  merchant_id    TEXT   NOT NULL,
  sale_id        TEXT   NOT NULL,
  position       BIGINT NOT NULL CHECK (position > 0),
  tender_id      TEXT   NOT NULL,
  means          TEXT   NOT NULL CHECK (means IN ('cash')),
  amount_minor   BIGINT NOT NULL CHECK (amount_minor <> 0), -- what it pays of the sale; negative: handed back
  received_minor BIGINT NOT NULL,
  change_minor   BIGINT NOT NULL CHECK (change_minor >= 0),
  PRIMARY KEY (merchant_id, sale_id, position),
  CHECK (received_minor - change_minor = amount_minor)
);

CREATE TABLE closing ( -- sealed: Z of a till session, day of a register
  merchant_id      TEXT   NOT NULL,
  closing_id       TEXT   NOT NULL,
  register_id      TEXT   NOT NULL,
  kind             TEXT   NOT NULL CHECK (kind IN ('z', 'day')),
  number           BIGINT NOT NULL CHECK (number > 0),
  business_date    TEXT   NOT NULL,
  session_id       TEXT, -- of a Z
  closed_at        BIGINT NOT NULL,
  operator         BIGINT NOT NULL,
  currency         TEXT   NOT NULL,
  first_ticket     BIGINT NOT NULL,
  last_ticket      BIGINT NOT NULL, -- first_ticket - 1: no ticket
  lines            BIGINT NOT NULL,
  returns          BIGINT NOT NULL,
  net_minor        BIGINT NOT NULL,
  absolute_minor   BIGINT NOT NULL,
  perpetual_net_minor      BIGINT NOT NULL,
  perpetual_absolute_minor BIGINT NOT NULL,
  float_minor      BIGINT NOT NULL,
  cash_minor       BIGINT NOT NULL, -- cash tenders, change and hand-backs taken off
  cash_in_minor    BIGINT NOT NULL,
  cash_out_minor   BIGINT NOT NULL,
  expected_minor   BIGINT NOT NULL,
  counted_minor    BIGINT, -- NULL: nobody counted
  difference_minor BIGINT,
  PRIMARY KEY (merchant_id, closing_id),
  UNIQUE (merchant_id, register_id, kind, number)
);
CREATE UNIQUE INDEX closing_of_session ON closing (merchant_id, session_id) WHERE kind = 'z';
CREATE UNIQUE INDEX closing_of_day ON closing (merchant_id, register_id, business_date) WHERE kind = 'day';

CREATE TABLE closing_vat (
  merchant_id TEXT   NOT NULL,
  closing_id  TEXT   NOT NULL,
  rate_bp     BIGINT NOT NULL,
  ttc_minor   BIGINT NOT NULL,
  ht_minor    BIGINT NOT NULL,
  vat_minor   BIGINT NOT NULL,
  perpetual_net_minor      BIGINT NOT NULL,
  perpetual_absolute_minor BIGINT NOT NULL,
  PRIMARY KEY (merchant_id, closing_id, rate_bp),
  CHECK (ht_minor + vat_minor = ttc_minor)
);

CREATE TABLE fiscal_signer ( -- sealed but for retired_at
  merchant_id TEXT   NOT NULL,
  signer_id   TEXT   NOT NULL,
  name        TEXT   NOT NULL, -- of the note verifier
  public_key  TEXT   NOT NULL, -- as a note verifier key
  private_key BYTEA  NOT NULL, -- in an envelope under the merchant's key
  created_at  BIGINT NOT NULL,
  PRIMARY KEY (merchant_id, signer_id)
);

CREATE TABLE fiscal_chain ( -- one row a chain, the last one locked by a sale
  merchant_id    TEXT   NOT NULL,
  chain_id       TEXT   NOT NULL,
  owner_id       TEXT   NOT NULL, -- register, or site for back-office events
  origin         TEXT   NOT NULL, -- its public name, in every record and checkpoint
  history        BOOLEAN NOT NULL,
  signer_id      TEXT   NOT NULL,
  seq            BIGINT NOT NULL CHECK (seq >= 0), -- records so far
  head           BYTEA  NOT NULL, -- hash of the last record
  edge           BYTEA  NOT NULL, -- right edge of the Merkle tree: one hash a bit set in seq
  last_at        BIGINT NOT NULL,
  period         TEXT   NOT NULL, -- the till session that may append, empty when the register is closed
  tickets        BIGINT NOT NULL,
  zs             BIGINT NOT NULL,
  days           BIGINT NOT NULL,
  net_minor      BIGINT NOT NULL, -- perpetual totals
  absolute_minor BIGINT NOT NULL CHECK (absolute_minor >= 0),
  software       TEXT   NOT NULL, -- the version that wrote last
  PRIMARY KEY (merchant_id, chain_id),
  UNIQUE (merchant_id, owner_id)
);

CREATE TABLE fiscal_record ( -- sealed
  merchant_id TEXT   NOT NULL,
  chain_id    TEXT   NOT NULL,
  seq         BIGINT NOT NULL CHECK (seq > 0),
  kind        TEXT   NOT NULL,
  subject     TEXT   NOT NULL, -- what it is about: sale_…, clo_…
  at          BIGINT NOT NULL,
  payload     BYTEA  NOT NULL, -- the canonical record, the very bytes that were hashed
  hash        BYTEA  NOT NULL, -- RFC 6962 leaf hash of payload
  signature   BYTEA  NOT NULL, -- over the checkpoint of the first seq records
  PRIMARY KEY (merchant_id, chain_id, seq)
);

CREATE TABLE ledger_transfer ( -- sealed; one row moves an amount from one account to another: debits and credits are equal by shape
  merchant_id  TEXT   NOT NULL,
  source       TEXT   NOT NULL, -- the sale or movement that caused it
  position     BIGINT NOT NULL CHECK (position > 0),
  debit        TEXT   NOT NULL,
  credit       TEXT   NOT NULL CHECK (credit <> debit),
  amount_minor BIGINT NOT NULL CHECK (amount_minor > 0),
  currency     TEXT   NOT NULL,
  at           BIGINT NOT NULL,
  PRIMARY KEY (merchant_id, source, position)
);

CREATE TABLE event ( -- written with what happened, numbered after it is committed
  merchant_id TEXT   NOT NULL,
  event_id    TEXT   NOT NULL,
  number      BIGINT,
  type        TEXT   NOT NULL,
  subject     TEXT   NOT NULL,
  data        TEXT   NOT NULL, -- JSON
  at          BIGINT NOT NULL,
  PRIMARY KEY (merchant_id, event_id)
);
CREATE UNIQUE INDEX event_by_number ON event (merchant_id, number) WHERE number IS NOT NULL;
CREATE INDEX event_unnumbered ON event (merchant_id, event_id) WHERE number IS NULL;

CREATE TABLE event_cursor (
  merchant_id TEXT   NOT NULL PRIMARY KEY,
  last_number BIGINT NOT NULL
);

CREATE TABLE job (
  merchant_id TEXT   NOT NULL,
  job_id      TEXT   NOT NULL,
  kind        TEXT   NOT NULL,
  dedup       TEXT   NOT NULL, -- one waiting job per kind and dedup
  payload     TEXT   NOT NULL, -- JSON
  state       TEXT   NOT NULL CHECK (state IN ('waiting', 'running', 'done', 'dead')),
  run_at      BIGINT NOT NULL,
  attempts    BIGINT NOT NULL,
  lease_token TEXT   NOT NULL,
  lease_until BIGINT NOT NULL,
  last_error  TEXT   NOT NULL,
  PRIMARY KEY (merchant_id, job_id)
);
CREATE INDEX job_due ON job (run_at) WHERE state IN ('waiting', 'running');
CREATE UNIQUE INDEX job_once ON job (merchant_id, kind, dedup) WHERE state = 'waiting';
