-- The ledger, version 1. Every row that can change is written by one writer; the journal is only ever added to.

CREATE TABLE shows (
    id            TEXT PRIMARY KEY,
    title         TEXT NOT NULL,
    state         TEXT NOT NULL,
    starts_at     INTEGER,
    price_version INTEGER NOT NULL DEFAULT 1,
    featured      TEXT
) STRICT;

CREATE TABLE products (
    show        TEXT NOT NULL REFERENCES shows (id),
    id          TEXT NOT NULL,
    place       INTEGER NOT NULL,
    title       TEXT NOT NULL,
    description TEXT,
    images      TEXT NOT NULL,
    removed     INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (show, id)
) STRICT, WITHOUT ROWID;

-- on_hand is everything ever counted in and not given back: to be had, held and sold.
CREATE TABLE variants (
    show          TEXT NOT NULL,
    id            TEXT NOT NULL,
    product       TEXT NOT NULL,
    place         INTEGER NOT NULL,
    title         TEXT NOT NULL,
    minor         INTEGER NOT NULL CHECK (minor >= 0),
    was_minor     INTEGER,
    currency      TEXT NOT NULL,
    exponent      INTEGER NOT NULL,
    price_version INTEGER NOT NULL,
    per_customer  INTEGER,
    on_hand       INTEGER NOT NULL DEFAULT 0,
    available     INTEGER NOT NULL DEFAULT 0 CHECK (available >= 0),
    held          INTEGER NOT NULL DEFAULT 0 CHECK (held >= 0),
    sold          INTEGER NOT NULL DEFAULT 0 CHECK (sold >= 0),
    version       INTEGER NOT NULL DEFAULT 0,
    removed       INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (show, id),
    CHECK (on_hand = available + held + sold)
) STRICT, WITHOUT ROWID;

CREATE TABLE pins (
    show    TEXT NOT NULL,
    product TEXT NOT NULL,
    place   INTEGER NOT NULL,
    PRIMARY KEY (show, product)
) STRICT, WITHOUT ROWID;

-- What was answered to a buy, for ever.
CREATE TABLE buys (
    id      TEXT PRIMARY KEY,
    show    TEXT NOT NULL,
    subject TEXT NOT NULL,
    body    TEXT NOT NULL,
    receipt TEXT NOT NULL,
    at      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE orders (
    buy        TEXT PRIMARY KEY REFERENCES buys (id),
    show       TEXT NOT NULL,
    subject    TEXT NOT NULL,
    name       TEXT NOT NULL,
    state      TEXT NOT NULL,
    minor      INTEGER NOT NULL,
    currency   TEXT NOT NULL,
    exponent   INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX orders_of_show ON orders (show, created_at);
CREATE INDEX orders_of_subject ON orders (show, subject);
CREATE INDEX orders_to_expire ON orders (expires_at) WHERE state = 'held';

CREATE TABLE order_lines (
    buy      TEXT NOT NULL REFERENCES orders (buy),
    variant  TEXT NOT NULL,
    quantity INTEGER NOT NULL CHECK (quantity > 0),
    minor    INTEGER NOT NULL,
    PRIMARY KEY (buy, variant)
) STRICT, WITHOUT ROWID;

-- Every movement of stock: what changed, by how much, and why.
CREATE TABLE journal (
    n         INTEGER PRIMARY KEY AUTOINCREMENT,
    at        INTEGER NOT NULL,
    show      TEXT NOT NULL,
    variant   TEXT NOT NULL,
    cause     TEXT NOT NULL,
    buy       TEXT,
    available INTEGER NOT NULL,
    held      INTEGER NOT NULL,
    sold      INTEGER NOT NULL
) STRICT;

-- Every price a variant had. What pages show as a former price comes from here.
CREATE TABLE prices (
    n       INTEGER PRIMARY KEY AUTOINCREMENT,
    at      INTEGER NOT NULL,
    show    TEXT NOT NULL,
    variant TEXT NOT NULL,
    minor   INTEGER NOT NULL
) STRICT;
CREATE INDEX prices_of_variant ON prices (show, variant, minor);

-- Both are only ever added to, by whatever program.
CREATE TRIGGER journal_kept BEFORE UPDATE ON journal BEGIN SELECT RAISE(ABORT, 'the journal is only added to'); END;
CREATE TRIGGER journal_whole BEFORE DELETE ON journal BEGIN SELECT RAISE(ABORT, 'the journal is only added to'); END;
CREATE TRIGGER prices_kept BEFORE UPDATE ON prices BEGIN SELECT RAISE(ABORT, 'prices are only added to'); END;
CREATE TRIGGER prices_whole BEFORE DELETE ON prices BEGIN SELECT RAISE(ABORT, 'prices are only added to'); END;
