-- For lists of all files, newest first.
CREATE INDEX uploads_by_created_at ON uploads (created_at, file_id);
