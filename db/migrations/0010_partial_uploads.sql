-- Uploads that come piece by piece (tus); the bytes that are there lie in files/partial/. What is
-- whole keeps its row until it expires, so that whoever missed the last answer learns of it.
CREATE TABLE partial_uploads (
	upload_id TEXT PRIMARY KEY CHECK (length(upload_id) BETWEEN 1 AND 64), -- "upl_" and 22 random characters
	size_bytes INTEGER NOT NULL CHECK (size_bytes >= 0), -- that it will have
	content_type TEXT NOT NULL DEFAULT '', -- as it was declared
	filename TEXT NOT NULL DEFAULT '',
	fields TEXT NOT NULL, -- JSON: where it goes, as /realtime/send has it
	user_id TEXT, -- whose it is; NULL: of nobody known
	file_id TEXT, -- what it became; NULL: it is not whole yet
	created_at INTEGER NOT NULL,
	expires_at INTEGER NOT NULL
) STRICT;

CREATE INDEX partial_uploads_by_expires_at ON partial_uploads (expires_at);
CREATE INDEX partial_uploads_by_user_id ON partial_uploads (user_id) WHERE file_id IS NULL;
