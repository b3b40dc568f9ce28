-- Certificates of units that were revoked are found by that, too; the value is how they came here.
INSERT INTO entry (tbl, name, value, key)
SELECT tbl, 'revoked', coalesce(json_extract(body, '$.origin'), 'issued'), key
FROM row WHERE tbl = 'credential' AND json_extract(body, '$.revoked') IS NOT NULL;
