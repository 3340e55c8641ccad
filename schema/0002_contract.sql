-- +goose Up

-- contract ------------------------------------------------------------------

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
