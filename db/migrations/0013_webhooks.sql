-- Where events are posted to (docs/webhooks.md).
CREATE TABLE webhooks (
	webhook_id TEXT PRIMARY KEY, -- "whk_" and 22 random characters
	url TEXT NOT NULL,
	description TEXT NOT NULL DEFAULT '',
	events TEXT NOT NULL, -- JSON: patterns of event types
	channels TEXT NOT NULL, -- JSON: patterns of channels, for events of messages and uploads
	rooms TEXT NOT NULL, -- JSON: patterns of rooms, for events of rooms and participants
	kinds INTEGER NOT NULL CHECK (kinds BETWEEN 0 AND 15), -- 1 room, 2 participant, 4 message, 8 upload
	enabled INTEGER NOT NULL DEFAULT 1 CHECK (enabled IN (0, 1)),
	secret TEXT NOT NULL, -- "whsec_" and base64
	old_secret TEXT, -- signs as well until then
	old_secret_until INTEGER,
	failures_in_row INTEGER NOT NULL DEFAULT 0 CHECK (failures_in_row >= 0),
	paused_until INTEGER NOT NULL DEFAULT 0, -- after failures
	dropped_count INTEGER NOT NULL DEFAULT 0, -- events for which its queue had no place
	last_dropped_at INTEGER,
	created_at INTEGER NOT NULL,
	updated_at INTEGER NOT NULL
) STRICT;

-- What happened, written in the transaction in which it did. One row stays as long as a delivery
-- refers to it.
CREATE TABLE webhook_events (
	sequence INTEGER PRIMARY KEY AUTOINCREMENT, -- the order of the commits
	event_id TEXT NOT NULL, -- "evt_" and 32 random hex digits
	type TEXT NOT NULL,
	name TEXT NOT NULL DEFAULT '', -- of the channel or room that it is about
	data TEXT NOT NULL, -- JSON
	occurred_at INTEGER NOT NULL
) STRICT;

-- Up to where events have become deliveries, and how many had no place because nobody did that.
CREATE TABLE webhook_marks (
	mark_id INTEGER PRIMARY KEY CHECK (mark_id = 1),
	sequence INTEGER NOT NULL,
	dropped_count INTEGER NOT NULL
) STRICT;

INSERT INTO webhook_marks (mark_id, sequence, dropped_count) VALUES (1, 0, 0);

-- One event on its way to one endpoint. While it is being posted next_attempt_at is the time at which
-- whoever posts it must be dead.
CREATE TABLE webhook_deliveries (
	delivery_id INTEGER PRIMARY KEY AUTOINCREMENT,
	webhook_id TEXT NOT NULL REFERENCES webhooks (webhook_id) ON DELETE CASCADE,
	sequence INTEGER NOT NULL REFERENCES webhook_events (sequence),
	state TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'failed')),
	attempts INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
	next_attempt_at INTEGER NOT NULL,
	is_posting INTEGER NOT NULL DEFAULT 0 CHECK (is_posting IN (0, 1)),
	queued_at INTEGER NOT NULL, -- when it was made, or an admin asked for it again
	last_attempt_at INTEGER,
	response_status INTEGER, -- of the last attempt; NULL: there was no answer
	error TEXT, -- of the last attempt
	duration_ms INTEGER,
	created_at INTEGER NOT NULL,
	finished_at INTEGER,
	CHECK ((state = 'pending') = (finished_at IS NULL))
) STRICT;

CREATE INDEX webhook_deliveries_by_webhook_id ON webhook_deliveries (webhook_id, delivery_id);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (webhook_id, next_attempt_at, delivery_id)
	WHERE state = 'pending';
CREATE INDEX webhook_deliveries_finished ON webhook_deliveries (webhook_id, state, delivery_id)
	WHERE state <> 'pending';
CREATE INDEX webhook_deliveries_by_sequence ON webhook_deliveries (sequence);

CREATE TRIGGER webhook_events_leave_with_their_last_delivery AFTER DELETE ON webhook_deliveries
BEGIN
	DELETE FROM webhook_events WHERE sequence = OLD.sequence AND NOT EXISTS
		(SELECT 1 FROM webhook_deliveries WHERE sequence = OLD.sequence);
END;

CREATE VIEW webhook_activity AS
SELECT
	webhooks.webhook_id,
	webhooks.url,
	CASE
		WHEN NOT enabled THEN 'disabled'
		WHEN paused_until > CAST(strftime('%s', 'now') AS INTEGER) * 1000 THEN 'paused'
		ELSE 'active'
	END AS state,
	coalesce(sum(deliveries.state = 'pending'), 0) AS pending,
	coalesce(sum(deliveries.state = 'failed'), 0) AS failed,
	coalesce(sum(deliveries.state = 'delivered'), 0) AS delivered, -- of those that are kept
	failures_in_row,
	dropped_count AS dropped,
	datetime(min(CASE deliveries.state WHEN 'pending' THEN deliveries.created_at END) / 1000,
		'unixepoch') AS oldest_pending
FROM webhooks
LEFT JOIN webhook_deliveries AS deliveries USING (webhook_id)
GROUP BY webhooks.webhook_id;

CREATE VIEW webhook_delivery_log AS
SELECT
	delivery_id,
	webhook_id,
	events.type,
	events.name,
	state,
	attempts,
	coalesce(response_status, '') AS response_status,
	coalesce(error, '') AS error,
	datetime(events.occurred_at / 1000, 'unixepoch') AS occurred,
	datetime(last_attempt_at / 1000, 'unixepoch') AS last_attempt,
	CASE state WHEN 'pending' THEN datetime(next_attempt_at / 1000, 'unixepoch') END AS next_attempt
FROM webhook_deliveries
JOIN webhook_events AS events USING (sequence);
