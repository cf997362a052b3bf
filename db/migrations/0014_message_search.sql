-- What stored messages say, for searching. Follows the messages by a moment and is no part of what
-- was acknowledged, so that storing them costs no more. A rowid is the number in the message_id; a
-- row whose message is gone goes a little later, and is never found.
CREATE VIRTUAL TABLE message_search USING fts5 (
	channel, -- as one word: "k" and the name's hex digits
	text, -- every string in the message's data, but names of members; of files the name
	tokenize = 'unicode61 remove_diacritics 2',
	prefix = '3'
);

CREATE TABLE message_search_marks (
	mark_id INTEGER PRIMARY KEY CHECK (mark_id = 1),
	indexed_message_id TEXT NOT NULL, -- up to this one every message was looked at
	swept_rowid INTEGER NOT NULL -- up to this one the last round looked for what is gone
) STRICT;

INSERT INTO message_search_marks (mark_id, indexed_message_id, swept_rowid) VALUES (1, '', 0);
