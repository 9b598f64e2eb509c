-- Version 3: what of the talk outlives the server; events of the outbox are kept for a time.

CREATE TABLE talk (
    show  TEXT NOT NULL,
    part  TEXT NOT NULL,
    about TEXT NOT NULL,
    at    INTEGER NOT NULL,
    body  TEXT NOT NULL,
    PRIMARY KEY (show, part, about)
) STRICT, WITHOUT ROWID;
CREATE INDEX talk_gone ON talk (show) WHERE body = '';

-- Events from before this time (unix milliseconds) may be gone; nothing else of the outbox ever is.
INSERT INTO meta VALUES ('outbox_from', '0');
DROP TRIGGER outbox_whole;
CREATE TRIGGER outbox_whole BEFORE DELETE ON outbox
    WHEN old.at >= (SELECT CAST(value AS INTEGER) FROM meta WHERE name = 'outbox_from')
    BEGIN SELECT RAISE(ABORT, 'the outbox is only added to'); END;
