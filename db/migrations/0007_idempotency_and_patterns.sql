-- The key by which a publisher tells that it sends the same message again.
ALTER TABLE messages ADD COLUMN idempotency_key TEXT;

-- Whoever resumes a pattern of channels asks which of them have been trimmed since.
CREATE INDEX channels_by_trimmed_message_id ON channels (trimmed_message_id)
	WHERE trimmed_message_id IS NOT NULL;
