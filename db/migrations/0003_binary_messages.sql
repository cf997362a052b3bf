-- A message may be JSON (`data`), bytes (`payload`; data is null then), or a notification (data has
-- its fields). Of bytes too many for a row only a file's id and SHA-256 (hex) are kept.
ALTER TABLE messages ADD COLUMN kind TEXT NOT NULL DEFAULT 'message'
	CHECK (kind IN ('message', 'binary', 'notification'));
ALTER TABLE messages ADD COLUMN filename TEXT;
ALTER TABLE messages ADD COLUMN payload BLOB;
ALTER TABLE messages ADD COLUMN payload_bytes INTEGER CHECK (payload_bytes >= 0); -- or of data
ALTER TABLE messages ADD COLUMN file_id TEXT;
ALTER TABLE messages ADD COLUMN sha256 TEXT;
