"""Reads parts of the lake as rows of JSON, by docs/formats.md alone; or writes rows as Parquet."""

import datetime
import ipaddress
import json
import sys

import pyarrow
import pyarrow.parquet


def time(value):
    return value.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def cell(number, rat):
    rats = {3: "umts", 4: "lte", 5: "nr"}
    mcc, long, mnc, identity = number >> 47, number >> 46 & 1, number >> 36 & 0x3FF, number & 0xFFFFFFFFF
    return f"{rats[rat]}:{mcc:03}-{mnc:0{3 if long else 2}}:{identity:x}"


def rows(path):
    table = pyarrow.parquet.ParquetFile(path)
    said = {key.decode(): value.decode() for key, value in table.metadata.metadata.items()}
    assert said["truecell.v"] == "1", said
    assert table.metadata.row_group(0).column(0).statistics.has_min_max
    for row in table.read().to_pylist():
        row = {name: value for name, value in row.items() if value is not None}
        row |= {"v": 1, "kind": said["truecell.kind"], "seq": row.pop("feed_seq")}
        for name, value in row.items():
            if isinstance(value, datetime.datetime):
                row[name] = time(value)
            elif name == "inner":
                row[name] = str(ipaddress.ip_address(value))
            elif isinstance(value, bytes):
                row[name] = value.hex()
        for name, rat in (("cell", "rat"), ("peer", "peer_rat")):
            if name in row:
                row[name] = cell(row[name], row.pop(rat))
        if "position_lat" in row:
            row["position"] = {"lat": row.pop("position_lat"), "lon": row.pop("position_lon")}
        yield row


def write(lines, path):
    """Columns as a carrier's own tool would make them: times, numbers and text."""
    table = [json.loads(line) for line in open(lines)]
    for row in table:
        for name in ("at", "from", "to", "requested"):
            if name in row:
                row[name] = datetime.datetime.fromisoformat(row[name])
        position = row.pop("position", None)
        if position:
            row |= {"position_lat": position["lat"], "position_lon": position["lon"]}
    names = sorted({name for row in table for name in row})
    kinds = {"rows": pyarrow.uint64()}
    columns = {name: pyarrow.array([row.get(name) for row in table], kinds.get(name)) for name in names}
    pyarrow.parquet.write_table(pyarrow.table(columns), path)


if sys.argv[1] == "read":
    for path in sys.argv[2:]:
        print(path, file=sys.stderr)
        for row in rows(path):
            print(json.dumps(row))
else:
    write(*sys.argv[2:])
