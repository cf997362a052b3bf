-- For people with sqlite3 at the prompt (docs/admin-sql.md). Times in words are UTC.

CREATE VIEW session_log AS
SELECT
	room_id,
	peer_id,
	coalesce(user_id, '') AS user_id,
	name,
	kind,
	datetime(joined_at / 1000, 'unixepoch') AS joined,
	datetime(left_at / 1000, 'unixepoch') AS "left", -- NULL: there now
	coalesce(leave_reason, '') AS leave_reason,
	(coalesce(left_at, CAST(strftime('%s', 'now') AS INTEGER) * 1000) - joined_at) / 1000 AS seconds
FROM participant_sessions;

CREATE VIEW room_activity AS
SELECT
	rooms.room_id,
	rooms.name,
	rooms.max_participants,
	count(sessions.session_id) AS sessions,
	count(DISTINCT coalesce(sessions.user_id, sessions.peer_id)) AS people,
	coalesce(sum(sessions.session_id IS NOT NULL AND sessions.left_at IS NULL), 0) AS present,
	datetime(max(sessions.joined_at) / 1000, 'unixepoch') AS last_joined,
	datetime(rooms.created_at / 1000, 'unixepoch') AS created
FROM rooms
LEFT JOIN participant_sessions AS sessions USING (room_id)
GROUP BY rooms.room_id;

CREATE VIEW channel_activity AS
SELECT
	channels.channel,
	count(messages.offset) AS messages,
	coalesce(sum(messages.payload_bytes), 0) AS bytes,
	count(DISTINCT messages.sender) AS senders,
	coalesce(max(messages.offset), channels.last_offset) AS newest_offset,
	channels.trimmed_offset,
	datetime(min(messages.created_at) / 1000, 'unixepoch') AS oldest,
	datetime(max(messages.created_at) / 1000, 'unixepoch') AS newest
FROM channels
LEFT JOIN messages USING (channel)
GROUP BY channels.channel;

CREATE VIEW notification_summary AS
SELECT
	user_id,
	count(*) AS notifications,
	sum(read_at IS NULL) AS unread,
	sum(delivered_at IS NULL) AS undelivered,
	datetime(max(created_at) / 1000, 'unixepoch') AS newest
FROM notifications
GROUP BY user_id;

CREATE VIEW api_key_list AS
SELECT
	key_id,
	name,
	prefix || '…' AS key,
	user_id,
	CASE
		WHEN revoked_at IS NOT NULL THEN 'revoked'
		WHEN expires_at <= CAST(strftime('%s', 'now') AS INTEGER) * 1000 THEN 'expired'
		ELSE 'valid'
	END AS state,
	CASE WHEN rights IS NULL THEN 'everything'
		ELSE trim(CASE WHEN rights & 1 THEN 'subscribe ' ELSE '' END
			|| CASE WHEN rights & 2 THEN 'publish ' ELSE '' END
			|| CASE WHEN rights & 4 THEN 'moderate ' ELSE '' END
			|| CASE WHEN rights & 8 THEN 'admin' ELSE '' END)
	END AS rights,
	coalesce(channels, 'all') AS channels,
	coalesce(rooms, 'all') AS rooms,
	datetime(created_at / 1000, 'unixepoch') AS created,
	datetime(expires_at / 1000, 'unixepoch') AS expires
FROM api_keys;
