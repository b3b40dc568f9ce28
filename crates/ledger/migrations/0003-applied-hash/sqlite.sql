-- Hash of the line of record `applied`: a journal that was put back or begun anew does not have it.
ALTER TABLE node ADD COLUMN applied_sha256 BLOB;
