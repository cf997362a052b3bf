-- What was sent to a user, kept until it was read or has grown old; whoever was away is told on
-- coming back. A notification that was read counts as delivered, however it came to its reader.
CREATE TABLE notifications (
	notification_id TEXT PRIMARY KEY, -- "ntf_" and 22 random characters
	message_id TEXT NOT NULL UNIQUE, -- sorts in the order of delivery
	user_id TEXT NOT NULL,
	offset INTEGER NOT NULL CHECK (offset > 0), -- its place in the channel user_{user_id}
	notification_type TEXT NOT NULL,
	title TEXT NOT NULL,
	body TEXT NOT NULL,
	data TEXT, -- JSON of any kind; NULL: there is none
	sender TEXT,
	created_at INTEGER NOT NULL,
	delivered_at INTEGER,
	read_at INTEGER,
	expires_at INTEGER,
	CHECK (read_at IS NULL OR delivered_at IS NOT NULL)
) STRICT;

CREATE INDEX notifications_by_user_id ON notifications (user_id, message_id);
CREATE INDEX notifications_undelivered ON notifications (user_id, message_id)
	WHERE delivered_at IS NULL;
CREATE INDEX notifications_unread ON notifications (user_id, message_id)
	WHERE read_at IS NULL;
CREATE INDEX notifications_by_created_at ON notifications (created_at);
CREATE INDEX notifications_by_expires_at ON notifications (expires_at)
	WHERE expires_at IS NOT NULL;
