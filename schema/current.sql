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
  request_hash    BYTEA  NOT NULL, original_id TEXT, -- of the request that made it: the same again is the same sale
  PRIMARY KEY (merchant_id, sale_id),
  UNIQUE (merchant_id, register_id, number)
);
CREATE INDEX sale_by_original ON sale (merchant_id, original_id) WHERE original_id IS NOT NULL;

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
  difference_minor BIGINT, card_minor BIGINT NOT NULL DEFAULT 0, card_manual_minor BIGINT NOT NULL DEFAULT 0, held_minor BIGINT NOT NULL DEFAULT 0,
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

CREATE TABLE contract ( -- an acceptance contract with an acquirer
  merchant_id           TEXT   NOT NULL,
  contract_id           TEXT   NOT NULL,
  name                  TEXT   NOT NULL,
  connector             TEXT   NOT NULL, -- which connector moves its money
  acceptor              TEXT   NOT NULL, -- the merchant's number at the acquirer, 1 to 15 characters
  mcc                   TEXT   NOT NULL, -- merchant category code, four digits
  city                  TEXT   NOT NULL, -- for the holder's statement
  currency              TEXT   NOT NULL,
  batch_at              BIGINT NOT NULL CHECK (batch_at BETWEEN 0 AND 1439), -- minutes after local midnight of the terminal's site (DRV-13)
  contactless_max_minor BIGINT NOT NULL CHECK (contactless_max_minor >= 0),
  cvm_required_minor    BIGINT NOT NULL CHECK (cvm_required_minor >= 0),
  floor_limit_minor     BIGINT NOT NULL CHECK (floor_limit_minor >= 0),
  state                 TEXT   NOT NULL CHECK (state IN ('active', 'closed')),
  public_key            BYTEA  NOT NULL, -- readers seal card data to it
  private_key           BYTEA  NOT NULL, -- in an envelope under the merchant's key
  created_at            BIGINT NOT NULL,
  updated_at            BIGINT NOT NULL, -- the version of what readers are told
  PRIMARY KEY (merchant_id, contract_id),
  UNIQUE (merchant_id, connector, acceptor)
);

CREATE TABLE contract_scheme ( -- a card scheme that the contract accepts
  merchant_id TEXT NOT NULL,
  contract_id TEXT NOT NULL,
  scheme      TEXT NOT NULL,
  affiliation TEXT NOT NULL, -- the merchant's number at the scheme itself, where it needs one (UPM-031)
  PRIMARY KEY (merchant_id, contract_id, scheme),
  FOREIGN KEY (merchant_id, contract_id) REFERENCES contract (merchant_id, contract_id)
);

CREATE TABLE fingerprint_key ( -- what readers of a merchant make fingerprints of cards with (DRV-09)
  merchant_id TEXT   NOT NULL PRIMARY KEY,
  sealed      BYTEA  NOT NULL, -- in an envelope under the merchant's key
  created_at  BIGINT NOT NULL
);

CREATE TABLE terminal ( -- a card reader as its merchant knows it
  merchant_id    TEXT   NOT NULL,
  terminal_id    TEXT   NOT NULL,
  number         BIGINT NOT NULL CHECK (number BETWEEN 1 AND 999), -- three digits on a slip (DRV-02)
  site_id        TEXT   NOT NULL,
  register_id    TEXT, -- where it is chosen beforehand (SRC-016)
  contract_id    TEXT   NOT NULL,
  acceptor       TEXT   NOT NULL, -- the terminal's number at the acquirer, eight characters (DE41)
  alias          TEXT   NOT NULL,
  model          TEXT   NOT NULL, -- of today's device; empty before the first
  serial         TEXT   NOT NULL,
  state          TEXT   NOT NULL CHECK (state IN ('active', 'deactivated')),
  service_number BIGINT NOT NULL CHECK (service_number >= 0), -- the last that was drawn: what requests to the reader are numbered with
  created_at     BIGINT NOT NULL,
  updated_at     BIGINT NOT NULL,
  PRIMARY KEY (merchant_id, terminal_id),
  UNIQUE (merchant_id, number),
  UNIQUE (merchant_id, acceptor),
  FOREIGN KEY (merchant_id, site_id) REFERENCES site (merchant_id, site_id),
  FOREIGN KEY (merchant_id, register_id) REFERENCES register (merchant_id, register_id)
);

CREATE TABLE terminal_device ( -- platform table: which device may speak for which terminal; its credential was shown once
  credential_hash BYTEA  NOT NULL PRIMARY KEY, -- SHA-256
  merchant_id     TEXT   NOT NULL,
  terminal_id     TEXT   NOT NULL,
  device_id       TEXT   NOT NULL,
  model           TEXT   NOT NULL,
  serial          TEXT   NOT NULL,
  paired_at       BIGINT NOT NULL,
  revoked_at      BIGINT
);
CREATE UNIQUE INDEX terminal_device_live ON terminal_device (merchant_id, terminal_id) WHERE revoked_at IS NULL;

CREATE TABLE terminal_pairing ( -- platform table: codes that are good for one device
  code_hash   BYTEA  NOT NULL PRIMARY KEY, -- SHA-256
  merchant_id TEXT   NOT NULL,
  terminal_id TEXT   NOT NULL,
  actor       TEXT   NOT NULL, -- who gave it: person or key
  created_at  BIGINT NOT NULL,
  expires_at  BIGINT NOT NULL,
  UNIQUE (merchant_id, terminal_id) -- a new code ends the former
);

CREATE TABLE terminal_node ( -- platform table: which programs hold connections; one that is silent holds none
  node_id TEXT   NOT NULL PRIMARY KEY,
  seen_at BIGINT NOT NULL
);

CREATE TABLE terminal_presence ( -- written when it changes, not at each heartbeat
  merchant_id     TEXT    NOT NULL,
  terminal_id     TEXT    NOT NULL,
  state           TEXT    NOT NULL CHECK (state IN ('online', 'asleep', 'offline')),
  since           BIGINT  NOT NULL,
  node_id         TEXT    NOT NULL, -- who holds the connection; empty: nobody
  connection_id   TEXT    NOT NULL, -- the newest: an older one changes nothing here any more
  software        TEXT    NOT NULL,
  battery_percent BIGINT  NOT NULL CHECK (battery_percent BETWEEN -1 AND 100), -- -1: not told
  charging        BOOLEAN NOT NULL,
  network         TEXT    NOT NULL,
  printer         TEXT    NOT NULL,
  faulty          BOOLEAN NOT NULL,
  PRIMARY KEY (merchant_id, terminal_id)
);
CREATE INDEX terminal_presence_by_node ON terminal_presence (node_id) WHERE node_id <> '';

CREATE TABLE terminal_dialogue ( -- one attempt on one reader
  merchant_id TEXT   NOT NULL,
  attempt_id  TEXT   NOT NULL,
  terminal_id TEXT   NOT NULL,
  device_id   TEXT   NOT NULL, -- the reader it is for: another one knows nothing about it
  service_id  TEXT   NOT NULL,
  content     TEXT   NOT NULL, -- what is asked, JSON
  state       TEXT   NOT NULL CHECK (state IN ('open', 'closed')),
  opened_at   BIGINT NOT NULL,
  closed_at   BIGINT,
  PRIMARY KEY (merchant_id, attempt_id)
);
CREATE UNIQUE INDEX terminal_dialogue_open ON terminal_dialogue (merchant_id, terminal_id) WHERE state = 'open';
CREATE INDEX terminal_dialogue_by_age ON terminal_dialogue (closed_at) WHERE state = 'closed';

CREATE TABLE terminal_message ( -- for a reader that is connected to another node; never card data
  merchant_id TEXT   NOT NULL,
  message_id  TEXT   NOT NULL,
  terminal_id TEXT   NOT NULL,
  node_id     TEXT   NOT NULL, -- who is to hand it over
  content     TEXT   NOT NULL, -- JSON
  state       TEXT   NOT NULL CHECK (state IN ('waiting', 'taken', 'answered')),
  answer      TEXT, -- JSON
  expires_at  BIGINT NOT NULL,
  PRIMARY KEY (merchant_id, message_id)
);
CREATE INDEX terminal_message_waiting ON terminal_message (node_id, message_id) WHERE state = 'waiting';
CREATE INDEX terminal_message_by_age ON terminal_message (expires_at);

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
CREATE INDEX tender_by_payment ON tender (merchant_id, payment_id) WHERE payment_id IS NOT NULL;
