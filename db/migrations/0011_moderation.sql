-- Who may not come in, who may by an invite, and what a room's password was made into.

ALTER TABLE rooms ADD COLUMN password_hash TEXT; -- what scrypt made of it (core/password.h); NULL: none

CREATE TABLE room_bans (
	ban_id TEXT PRIMARY KEY CHECK (length(ban_id) BETWEEN 1 AND 64), -- "ban_" and 22 random characters
	room_id TEXT NOT NULL REFERENCES rooms (room_id) ON DELETE CASCADE,
	user_id TEXT NOT NULL CHECK (length(user_id) BETWEEN 1 AND 128),
	reason TEXT NOT NULL DEFAULT '',
	created_by TEXT, -- NULL: nobody known
	created_at INTEGER NOT NULL,
	expires_at INTEGER, -- NULL: never
	UNIQUE (room_id, user_id)
) STRICT;

CREATE INDEX room_bans_by_created_at ON room_bans (room_id, created_at, ban_id);
CREATE INDEX room_bans_by_expires_at ON room_bans (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE room_invites (
	invite_id TEXT PRIMARY KEY CHECK (length(invite_id) BETWEEN 1 AND 64), -- "invite_" and 22 random characters
	room_id TEXT NOT NULL REFERENCES rooms (room_id) ON DELETE CASCADE,
	token_hash BLOB NOT NULL UNIQUE CHECK (length(token_hash) = 32), -- SHA-256
	name TEXT NOT NULL DEFAULT '', -- what guests are called who give no name themselves
	max_uses INTEGER CHECK (max_uses > 0), -- NULL: any number
	use_count INTEGER NOT NULL DEFAULT 0 CHECK (max_uses IS NULL OR use_count <= max_uses),
	created_by TEXT,
	created_at INTEGER NOT NULL,
	expires_at INTEGER
) STRICT;

CREATE INDEX room_invites_by_created_at ON room_invites (room_id, created_at, invite_id);
CREATE INDEX room_invites_by_expires_at ON room_invites (expires_at) WHERE expires_at IS NOT NULL;

-- Who took the counted places of an invite: whoever comes back keeps the place.
CREATE TABLE room_invite_uses (
	invite_id TEXT NOT NULL REFERENCES room_invites (invite_id) ON DELETE CASCADE,
	holder TEXT NOT NULL, -- "user:" and the user's id, or "guest:" and the SHA-256 of a secret of theirs
	used_at INTEGER NOT NULL,
	PRIMARY KEY (invite_id, holder)
) STRICT, WITHOUT ROWID;

CREATE INDEX room_invite_uses_by_holder ON room_invite_uses (holder);

CREATE VIEW room_access AS
SELECT
	room_id,
	name,
	locked,
	password_hash IS NOT NULL AS has_password,
	(SELECT count(*) FROM room_bans AS bans
		WHERE bans.room_id = rooms.room_id
		AND (expires_at IS NULL OR expires_at > CAST(strftime('%s', 'now') AS INTEGER) * 1000)) AS bans,
	(SELECT count(*) FROM room_invites AS invites
		WHERE invites.room_id = rooms.room_id
		AND (expires_at IS NULL OR expires_at > CAST(strftime('%s', 'now') AS INTEGER) * 1000)
		AND (max_uses IS NULL OR use_count < max_uses)) AS open_invites
FROM rooms;

CREATE VIEW ban_list AS
SELECT
	room_id,
	user_id,
	reason,
	coalesce(created_by, '') AS banned_by,
	datetime(created_at / 1000, 'unixepoch') AS banned,
	datetime(expires_at / 1000, 'unixepoch') AS until, -- NULL: for good
	ban_id
FROM room_bans
WHERE expires_at IS NULL OR expires_at > CAST(strftime('%s', 'now') AS INTEGER) * 1000;

CREATE VIEW invite_list AS
SELECT
	room_id,
	name,
	use_count AS uses,
	max_uses,
	CASE
		WHEN expires_at <= CAST(strftime('%s', 'now') AS INTEGER) * 1000 THEN 'expired'
		WHEN use_count >= max_uses THEN 'used up'
		ELSE 'open'
	END AS state,
	coalesce(created_by, '') AS invited_by,
	datetime(created_at / 1000, 'unixepoch') AS created,
	datetime(expires_at / 1000, 'unixepoch') AS expires,
	invite_id
FROM room_invites;
