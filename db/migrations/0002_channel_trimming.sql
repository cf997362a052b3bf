-- How far retention has gone: every message up to here may be missing, so whoever resumes from
-- before it is told so. A message that expired by its own ttl does not count.
ALTER TABLE channels ADD COLUMN trimmed_offset INTEGER NOT NULL DEFAULT 0;
ALTER TABLE channels ADD COLUMN trimmed_message_id TEXT;
