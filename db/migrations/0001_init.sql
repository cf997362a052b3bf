-- The first schema. Times are Unix milliseconds. Names are a contract with people and tools
-- (docs/architecture.md, "The store").

CREATE TABLE rooms (
	room_id TEXT PRIMARY KEY CHECK (length(room_id) BETWEEN 1 AND 128),
	name TEXT NOT NULL,
	max_participants INTEGER NOT NULL CHECK (max_participants > 0),
	mode TEXT NOT NULL DEFAULT 'sfu' CHECK (mode IN ('sfu', 'mesh')),
	codecs TEXT NOT NULL DEFAULT '[]', -- JSON; no CHECK: SQLite 3.40 calls json_valid() unsafe in a schema
	metadata TEXT NOT NULL DEFAULT '{}', -- JSON
	locked INTEGER NOT NULL DEFAULT 0 CHECK (locked IN (0, 1)),
	version INTEGER NOT NULL DEFAULT 1, -- counts updates; the ETag is made of it
	created_at INTEGER NOT NULL,
	updated_at INTEGER NOT NULL
) STRICT;

CREATE INDEX rooms_by_created_at ON rooms (created_at, room_id);

-- Who was in which call, and when. A row without left_at is somebody who is there now.
CREATE TABLE participant_sessions (
	session_id INTEGER PRIMARY KEY,
	room_id TEXT NOT NULL,
	peer_id TEXT NOT NULL,
	user_id TEXT,
	name TEXT NOT NULL DEFAULT '',
	kind TEXT NOT NULL DEFAULT 'call' CHECK (kind IN ('call', 'whip', 'whep')),
	joined_at INTEGER NOT NULL,
	left_at INTEGER,
	leave_reason TEXT
) STRICT;

CREATE INDEX participant_sessions_by_room_id ON participant_sessions (room_id, joined_at);
CREATE UNIQUE INDEX participant_sessions_present ON participant_sessions (room_id, peer_id)
	WHERE left_at IS NULL;

-- One row per channel that ever had a persistent message. epoch changes when its history is lost.
CREATE TABLE channels (
	channel TEXT PRIMARY KEY,
	epoch TEXT NOT NULL,
	last_offset INTEGER NOT NULL DEFAULT 0,
	created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE messages (
	channel TEXT NOT NULL REFERENCES channels (channel) ON DELETE CASCADE,
	offset INTEGER NOT NULL CHECK (offset > 0),
	message_id TEXT NOT NULL UNIQUE,
	sender TEXT,
	content_type TEXT NOT NULL DEFAULT 'application/json',
	data TEXT NOT NULL, -- the message's `data` as JSON
	tags TEXT, -- JSON
	created_at INTEGER NOT NULL,
	expires_at INTEGER,
	PRIMARY KEY (channel, offset)
) STRICT, WITHOUT ROWID;

CREATE INDEX messages_by_expires_at ON messages (expires_at) WHERE expires_at IS NOT NULL;

-- Only the SHA-256 of a key is kept; the prefix lets a person tell keys apart.
CREATE TABLE api_keys (
	key_id TEXT PRIMARY KEY,
	name TEXT NOT NULL,
	prefix TEXT NOT NULL,
	key_hash BLOB NOT NULL UNIQUE CHECK (length(key_hash) = 32),
	user_id TEXT NOT NULL,
	created_at INTEGER NOT NULL,
	expires_at INTEGER,
	revoked_at INTEGER
) STRICT;
