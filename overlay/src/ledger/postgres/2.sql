-- The ledger in PostgreSQL, from version 2 on: the same tables as in SQLite (../sqlite).

CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
);
INSERT INTO meta VALUES ('generation', md5(random()::text || clock_timestamp()::text));

CREATE TABLE shows (
    id            TEXT PRIMARY KEY,
    title         TEXT NOT NULL,
    state         TEXT NOT NULL,
    starts_at     BIGINT,
    price_version BIGINT NOT NULL DEFAULT 1,
    featured      TEXT,
    pinned        TEXT NOT NULL,
    rev           BIGINT NOT NULL
);

CREATE TABLE products (
    show        TEXT NOT NULL REFERENCES shows (id),
    id          TEXT NOT NULL,
    place       BIGINT NOT NULL,
    title       TEXT NOT NULL,
    description TEXT,
    images      TEXT NOT NULL,
    removed     BIGINT NOT NULL,
    version     BIGINT NOT NULL,
    rev         BIGINT NOT NULL,
    PRIMARY KEY (show, id)
);

-- on_hand is everything ever counted in and not given back: to be had, held and sold. The stock's rows change with
-- every buy: room on their pages keeps the changes out of the index.
CREATE TABLE variants (
    show          TEXT NOT NULL,
    id            TEXT NOT NULL,
    product       TEXT NOT NULL,
    place         BIGINT NOT NULL,
    title         TEXT NOT NULL,
    minor         BIGINT NOT NULL CHECK (minor >= 0),
    was_minor     BIGINT,
    currency      TEXT NOT NULL,
    exponent      BIGINT NOT NULL,
    price_version BIGINT NOT NULL,
    per_customer  BIGINT,
    on_hand       BIGINT NOT NULL,
    available     BIGINT NOT NULL CHECK (available >= 0),
    held          BIGINT NOT NULL CHECK (held >= 0),
    sold          BIGINT NOT NULL CHECK (sold >= 0),
    version       BIGINT NOT NULL,
    removed       BIGINT NOT NULL,
    mode          TEXT NOT NULL,
    hold_seconds  BIGINT,
    allotment     BIGINT CHECK (allotment >= 0),
    waiting       BIGINT NOT NULL CHECK (waiting >= 0),
    waiters       BIGINT NOT NULL CHECK (waiters >= 0),
    next_queue    BIGINT NOT NULL,
    next_flash    BIGINT NOT NULL,
    rev           BIGINT NOT NULL,
    PRIMARY KEY (show, id),
    CHECK (on_hand = available + held + sold)
) WITH (fillfactor = 50);
CREATE INDEX variants_to_serve ON variants (show) WHERE waiting > 0 AND available > 0;

CREATE TABLE flash_sales (
    show         TEXT NOT NULL,
    id           TEXT NOT NULL,
    variant      TEXT NOT NULL,
    state        TEXT NOT NULL,
    minor        BIGINT NOT NULL CHECK (minor >= 0),
    starts_at    BIGINT NOT NULL,
    ends_at      BIGINT NOT NULL,
    quantity     BIGINT,
    per_customer BIGINT,
    taken        BIGINT NOT NULL CHECK (taken >= 0),
    rev          BIGINT NOT NULL,
    PRIMARY KEY (show, id)
);
CREATE INDEX flash_sales_live ON flash_sales (show) WHERE state <> 'ended';

CREATE TABLE promos (
    show         TEXT NOT NULL,
    code         TEXT NOT NULL,
    basis_points BIGINT,
    minor        BIGINT,
    currency     TEXT,
    exponent     BIGINT,
    uses         BIGINT,
    per_customer BIGINT,
    starts_at    BIGINT,
    ends_at      BIGINT,
    used         BIGINT NOT NULL CHECK (used >= 0),
    removed      BIGINT NOT NULL,
    rev          BIGINT NOT NULL,
    PRIMARY KEY (show, code)
);

-- What was answered to a buy, for ever.
CREATE TABLE buys (
    id      TEXT PRIMARY KEY,
    show    TEXT NOT NULL,
    subject TEXT NOT NULL,
    body    TEXT NOT NULL,
    outcome TEXT NOT NULL,
    receipt TEXT NOT NULL,
    at      BIGINT NOT NULL
);

CREATE TABLE orders (
    buy        TEXT PRIMARY KEY REFERENCES buys (id),
    show       TEXT NOT NULL,
    subject    TEXT NOT NULL,
    name       TEXT NOT NULL,
    state      TEXT NOT NULL,
    minor      BIGINT NOT NULL,
    currency   TEXT NOT NULL,
    exponent   BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    promo      TEXT,
    discount   BIGINT NOT NULL CHECK (discount >= 0),
    affiliate  TEXT,
    provider   TEXT NOT NULL,
    waits_for  TEXT,
    queue      BIGINT,
    turn_ms    BIGINT NOT NULL,
    step       BIGINT NOT NULL,
    rev        BIGINT NOT NULL
);
CREATE INDEX orders_of_show ON orders (show, created_at);
CREATE INDEX orders_of_subject ON orders (show, subject);
CREATE INDEX orders_to_expire ON orders (expires_at) WHERE state IN ('held', 'checkout_open');
CREATE INDEX orders_waiting ON orders (show, waits_for, queue) WHERE state = 'waitlisted';

CREATE TABLE order_lines (
    buy      TEXT NOT NULL REFERENCES orders (buy),
    variant  TEXT NOT NULL,
    quantity BIGINT NOT NULL CHECK (quantity > 0),
    minor    BIGINT NOT NULL,
    flash    TEXT,
    rev      BIGINT NOT NULL,
    PRIMARY KEY (buy, variant)
);

CREATE TABLE requests (
    show   TEXT NOT NULL,
    key    TEXT NOT NULL,
    body   TEXT NOT NULL,
    answer TEXT NOT NULL,
    at     BIGINT NOT NULL,
    PRIMARY KEY (show, key)
);
CREATE INDEX requests_by_age ON requests (at);

-- Every movement of stock: what changed, by how much, and why.
CREATE TABLE journal (
    n         BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at        BIGINT NOT NULL,
    show      TEXT NOT NULL,
    variant   TEXT NOT NULL,
    cause     TEXT NOT NULL,
    buy       TEXT,
    available BIGINT NOT NULL,
    held      BIGINT NOT NULL,
    sold      BIGINT NOT NULL
);

-- Every price a variant had. What pages show as a former price comes from here.
CREATE TABLE prices (
    n       BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at      BIGINT NOT NULL,
    show    TEXT NOT NULL,
    variant TEXT NOT NULL,
    minor   BIGINT NOT NULL
);
CREATE INDEX prices_of_variant ON prices (show, variant, minor);

-- What became of each order, step by step, for the world outside. Only its delivery is noted later.
CREATE TABLE outbox (
    n         BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at        BIGINT NOT NULL,
    show      TEXT NOT NULL,
    buy       TEXT NOT NULL,
    step      BIGINT NOT NULL,
    state     TEXT NOT NULL,
    body      TEXT NOT NULL,
    delivered BIGINT NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX outbox_steps ON outbox (buy, step);
CREATE INDEX outbox_waiting ON outbox (n) WHERE delivered = 0;

-- These are only ever added to, by whatever program.
CREATE FUNCTION kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is only added to', TG_TABLE_NAME;
END $$;
CREATE TRIGGER kept BEFORE UPDATE OR DELETE ON journal FOR EACH ROW EXECUTE FUNCTION kept();
CREATE TRIGGER kept BEFORE UPDATE OR DELETE ON prices FOR EACH ROW EXECUTE FUNCTION kept();
CREATE TRIGGER kept BEFORE UPDATE OR DELETE ON buys FOR EACH ROW EXECUTE FUNCTION kept();
CREATE TRIGGER whole BEFORE DELETE ON outbox FOR EACH ROW EXECUTE FUNCTION kept();
CREATE TRIGGER kept BEFORE UPDATE OF n, at, show, buy, step, state, body ON outbox
    FOR EACH ROW EXECUTE FUNCTION kept();
