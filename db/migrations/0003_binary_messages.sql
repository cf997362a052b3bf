-- A message may be JSON (`data`), bytes (in message_payloads; data is null then), or a notification
-- (data has its fields). Of bytes too many for that only a file's id and SHA-256 (hex) are kept.
ALTER TABLE messages ADD COLUMN kind TEXT NOT NULL DEFAULT 'message'
	CHECK (kind IN ('message', 'binary', 'notification'));
ALTER TABLE messages ADD COLUMN filename TEXT;
ALTER TABLE messages ADD COLUMN payload_bytes INTEGER CHECK (payload_bytes >= 0); -- or of data
ALTER TABLE messages ADD COLUMN file_id TEXT;
ALTER TABLE messages ADD COLUMN sha256 TEXT;

-- Apart, since looking for a message compares keys, and SQLite would read the bytes of each to do so.
CREATE TABLE message_payloads (
	channel TEXT NOT NULL,
	offset INTEGER NOT NULL,
	payload BLOB NOT NULL,
	PRIMARY KEY (channel, offset),
	FOREIGN KEY (channel, offset) REFERENCES messages (channel, offset) ON DELETE CASCADE
) STRICT;
