-- Units are found by their class and region, too: a JSON array of the two.
INSERT INTO entry (tbl, name, value, key)
SELECT tbl, 'scope', json_array(json_extract(body, '$.class'), json_extract(body, '$.region')), key
FROM row WHERE tbl = 'device';
