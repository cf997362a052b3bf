-- Files that were uploaded. Bytes lie in REALTIME_DATA_DIR/files under their SHA-256; several rows
-- may share them. No row, no file: what nothing here refers to may be removed.
CREATE TABLE uploads (
	file_id TEXT PRIMARY KEY CHECK (length(file_id) BETWEEN 1 AND 64), -- "file_" and 22 random characters
	sha256 TEXT NOT NULL CHECK (length(sha256) = 64), -- hex
	size_bytes INTEGER NOT NULL CHECK (size_bytes >= 0),
	content_type TEXT NOT NULL,
	filename TEXT,
	user_id TEXT, -- whose it is; NULL: of nobody known
	channel TEXT, -- to which it was announced; NULL: to none
	created_at INTEGER NOT NULL,
	expires_at INTEGER -- NULL: never
) STRICT;

CREATE INDEX uploads_by_sha256 ON uploads (sha256);
CREATE INDEX uploads_by_user_id ON uploads (user_id, created_at);
CREATE INDEX uploads_by_expires_at ON uploads (expires_at) WHERE expires_at IS NOT NULL;

-- A stored message keeps the file that it announces.
CREATE INDEX messages_by_file_id ON messages (file_id) WHERE file_id IS NOT NULL;

-- What each user's uploads come to ('': of nobody known), so that quotas need no counting.
CREATE TABLE upload_usage (
	user_id TEXT PRIMARY KEY,
	file_count INTEGER NOT NULL CHECK (file_count >= 0),
	size_bytes INTEGER NOT NULL CHECK (size_bytes >= 0)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER uploads_are_counted AFTER INSERT ON uploads
BEGIN
	INSERT INTO upload_usage (user_id, file_count, size_bytes)
		VALUES (COALESCE(NEW.user_id, ''), 1, NEW.size_bytes)
		ON CONFLICT (user_id) DO UPDATE
		SET file_count = file_count + 1, size_bytes = size_bytes + excluded.size_bytes;
END;

CREATE TRIGGER uploads_leave_the_count AFTER DELETE ON uploads
BEGIN
	UPDATE upload_usage
		SET file_count = file_count - 1, size_bytes = size_bytes - OLD.size_bytes
		WHERE user_id = COALESCE(OLD.user_id, '');
	DELETE FROM upload_usage WHERE user_id = COALESCE(OLD.user_id, '') AND file_count = 0;
END;
