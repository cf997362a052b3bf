-- Answers to requests that came with an Idempotency-Key, so that whoever missed one may ask again.
-- A row without a status is a request that is being served (or whose process died).
CREATE TABLE idempotency_keys (
	caller TEXT NOT NULL, -- the user_id; '': anybody without one
	-- "rest:" and SHA-256 of caller and Idempotency-Key; and SHA-256 of what was asked and that key. The
	-- key is not kept: without it nobody can try which password a request may have had.
	key TEXT NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
	request_hash BLOB NOT NULL CHECK (length(request_hash) = 32),
	status INTEGER CHECK (status BETWEEN 200 AND 299),
	headers TEXT NOT NULL DEFAULT '',
	body TEXT,
	created_at INTEGER NOT NULL,
	leased_until INTEGER NOT NULL, -- until when nobody else takes an unanswered request over
	PRIMARY KEY (caller, key)
) STRICT;

CREATE INDEX idempotency_keys_by_created_at ON idempotency_keys (created_at);
