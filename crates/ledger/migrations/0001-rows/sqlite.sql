-- A row of any table, sealed. Bodies are JSON; what is looked up by another value than its key
-- stands in `entry` too.
CREATE TABLE row (
    tbl TEXT NOT NULL,
    key TEXT NOT NULL,
    revision INTEGER NOT NULL,
    event TEXT NOT NULL,
    body TEXT NOT NULL,
    hmac BLOB NOT NULL,
    PRIMARY KEY (tbl, key)
) WITHOUT ROWID, STRICT;

CREATE TABLE entry (
    tbl TEXT NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    key TEXT NOT NULL,
    PRIMARY KEY (tbl, name, value, key)
) WITHOUT ROWID, STRICT;

CREATE INDEX entry_of_row ON entry (tbl, key);

-- Change feed: what has a new value, in order.
CREATE TABLE change (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    tbl TEXT NOT NULL,
    key TEXT NOT NULL
) STRICT;

-- Starts of each node, and up to which record of its journal the rows are written.
CREATE TABLE node (
    node TEXT PRIMARY KEY,
    epoch INTEGER NOT NULL,
    applied INTEGER NOT NULL
) WITHOUT ROWID, STRICT;
