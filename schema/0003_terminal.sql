-- +goose Up

-- terminal ------------------------------------------------------------------

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
CREATE UNIQUE INDEX terminal_dialogue_open ON terminal_dialogue (merchant_id, terminal_id) WHERE state = 'open'; -- one at a time

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
