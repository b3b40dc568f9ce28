-- Certificates of units that count are found by their end, too: the value is that time, and how they came here.
INSERT INTO entry (tbl, name, value, key)
SELECT tbl, 'ends', json_extract(body, '$.not_after') || ' ' || coalesce(json_extract(body, '$.origin'), 'issued'), key
FROM row
WHERE tbl = 'credential' AND json_extract(body, '$.revoked') IS NULL AND json_extract(body, '$.superseded') IS NULL;
-- Keys that were seen are found by the units that they were used for.
INSERT OR IGNORE INTO entry (tbl, name, value, key)
SELECT row.tbl, 'device', json_extract(one.value, '$.device'), row.key
FROM row, json_each(row.body, '$.uses') AS one
WHERE row.tbl = 'sighting';
-- Certificates that were issued by a leave and did not come to nothing are found by that leave, too.
INSERT INTO entry (tbl, name, value, key)
SELECT tbl, 'open', coalesce('order ' || json_extract(body, '$.leave.order'), 'parent ' || json_extract(body, '$.leave.parent')), key
FROM row
WHERE tbl = 'certificate' AND json_extract(body, '$.revoked') IS NULL AND json_type(body, '$.leave') = 'object';
