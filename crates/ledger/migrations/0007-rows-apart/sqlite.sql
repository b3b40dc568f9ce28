-- Rows lie apart from the index of their keys: it is searched without reading a body, and what is new is written side by
-- side.
ALTER TABLE row RENAME TO row_before;
CREATE TABLE row (
    tbl TEXT NOT NULL,
    key TEXT NOT NULL,
    revision INTEGER NOT NULL,
    event TEXT NOT NULL,
    body TEXT NOT NULL,
    hmac BLOB NOT NULL,
    PRIMARY KEY (tbl, key)
) STRICT;
INSERT INTO row SELECT tbl, key, revision, event, body, hmac FROM row_before ORDER BY tbl, key;
DROP TABLE row_before;
