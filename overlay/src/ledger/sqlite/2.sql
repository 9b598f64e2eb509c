-- Version 2: offers, flash sales, promo codes, the waitlist, requests done once, the outbox; every row that changes
-- counts its changes.

CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO meta VALUES ('generation', lower(hex(randomblob(16))));

ALTER TABLE shows ADD COLUMN pinned TEXT NOT NULL DEFAULT '[]';
ALTER TABLE shows ADD COLUMN rev INTEGER NOT NULL DEFAULT 1;
UPDATE shows SET pinned = (
    SELECT json_group_array(product) FROM (SELECT product FROM pins WHERE show = shows.id ORDER BY place DESC));
DROP TABLE pins;

ALTER TABLE products ADD COLUMN version INTEGER NOT NULL DEFAULT 1;
ALTER TABLE products ADD COLUMN rev INTEGER NOT NULL DEFAULT 1;

ALTER TABLE variants ADD COLUMN mode TEXT NOT NULL DEFAULT 'hold';
ALTER TABLE variants ADD COLUMN hold_seconds INTEGER;
ALTER TABLE variants ADD COLUMN allotment INTEGER CHECK (allotment >= 0);
ALTER TABLE variants ADD COLUMN waiting INTEGER NOT NULL DEFAULT 0 CHECK (waiting >= 0);
ALTER TABLE variants ADD COLUMN waiters INTEGER NOT NULL DEFAULT 0 CHECK (waiters >= 0);
ALTER TABLE variants ADD COLUMN next_queue INTEGER NOT NULL DEFAULT 0;
ALTER TABLE variants ADD COLUMN next_flash INTEGER NOT NULL DEFAULT 0;
ALTER TABLE variants ADD COLUMN rev INTEGER NOT NULL DEFAULT 1;
CREATE INDEX variants_to_serve ON variants (show) WHERE waiting > 0 AND available > 0;

CREATE TABLE flash_sales (
    show         TEXT NOT NULL,
    id           TEXT NOT NULL,
    variant      TEXT NOT NULL,
    state        TEXT NOT NULL,
    minor        INTEGER NOT NULL CHECK (minor >= 0),
    starts_at    INTEGER NOT NULL,
    ends_at      INTEGER NOT NULL,
    quantity     INTEGER,
    per_customer INTEGER,
    taken        INTEGER NOT NULL DEFAULT 0 CHECK (taken >= 0),
    rev          INTEGER NOT NULL,
    PRIMARY KEY (show, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX flash_sales_live ON flash_sales (show) WHERE state <> 'ended';

CREATE TABLE promos (
    show         TEXT NOT NULL,
    code         TEXT NOT NULL,
    basis_points INTEGER,
    minor        INTEGER,
    currency     TEXT,
    exponent     INTEGER,
    uses         INTEGER,
    per_customer INTEGER,
    starts_at    INTEGER,
    ends_at      INTEGER,
    used         INTEGER NOT NULL DEFAULT 0 CHECK (used >= 0),
    removed      INTEGER NOT NULL DEFAULT 0,
    rev          INTEGER NOT NULL,
    PRIMARY KEY (show, code)
) STRICT, WITHOUT ROWID;

ALTER TABLE buys ADD COLUMN outcome TEXT NOT NULL DEFAULT '';
UPDATE buys SET outcome = json_extract(receipt, '$.outcome');

ALTER TABLE orders ADD COLUMN promo TEXT;
ALTER TABLE orders ADD COLUMN discount INTEGER NOT NULL DEFAULT 0 CHECK (discount >= 0);
ALTER TABLE orders ADD COLUMN affiliate TEXT;
ALTER TABLE orders ADD COLUMN provider TEXT NOT NULL DEFAULT 'manual';
ALTER TABLE orders ADD COLUMN waits_for TEXT;
ALTER TABLE orders ADD COLUMN queue INTEGER;
ALTER TABLE orders ADD COLUMN turn_ms INTEGER NOT NULL DEFAULT 120000;
ALTER TABLE orders ADD COLUMN step INTEGER NOT NULL DEFAULT 1;
ALTER TABLE orders ADD COLUMN rev INTEGER NOT NULL DEFAULT 1;
DROP INDEX orders_to_expire;
CREATE INDEX orders_to_expire ON orders (expires_at) WHERE state IN ('held', 'checkout_open');
CREATE INDEX orders_waiting ON orders (show, waits_for, queue) WHERE state = 'waitlisted';

ALTER TABLE order_lines ADD COLUMN flash TEXT;
ALTER TABLE order_lines ADD COLUMN rev INTEGER NOT NULL DEFAULT 1;

CREATE TABLE requests (
    show   TEXT NOT NULL,
    key    TEXT NOT NULL,
    body   TEXT NOT NULL,
    answer TEXT NOT NULL,
    at     INTEGER NOT NULL,
    PRIMARY KEY (show, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX requests_by_age ON requests (at);

-- What became of each order, step by step, for the world outside. Only its delivery is noted later.
CREATE TABLE outbox (
    n         INTEGER PRIMARY KEY AUTOINCREMENT,
    at        INTEGER NOT NULL,
    show      TEXT NOT NULL,
    buy       TEXT NOT NULL,
    step      INTEGER NOT NULL,
    state     TEXT NOT NULL,
    body      TEXT NOT NULL,
    delivered INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE UNIQUE INDEX outbox_steps ON outbox (buy, step);
CREATE INDEX outbox_waiting ON outbox (n) WHERE delivered = 0;
INSERT INTO outbox (at, show, buy, step, state, body)
    SELECT created_at, show, buy, 1, state, json_object('buy', buy, 'state', state) FROM orders ORDER BY created_at, buy;

CREATE TRIGGER outbox_kept BEFORE UPDATE OF n, at, show, buy, step, state, body ON outbox
    BEGIN SELECT RAISE(ABORT, 'the outbox is only added to'); END;
CREATE TRIGGER outbox_whole BEFORE DELETE ON outbox BEGIN SELECT RAISE(ABORT, 'the outbox is only added to'); END;
CREATE TRIGGER buys_kept BEFORE UPDATE ON buys BEGIN SELECT RAISE(ABORT, 'receipts are for ever'); END;
CREATE TRIGGER buys_whole BEFORE DELETE ON buys BEGIN SELECT RAISE(ABORT, 'receipts are for ever'); END;
