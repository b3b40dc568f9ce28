-- The feed is read by others: its columns have the names of the published format.
ALTER TABLE change RENAME COLUMN tbl TO kind;
