-- A channel's last offset is its mark or its newest message's, whichever is further; so what
-- takes a message away raises the mark, and no offset is ever given out again.
CREATE TRIGGER messages_leave_a_mark AFTER DELETE ON messages
BEGIN
	UPDATE channels SET last_offset = OLD.offset
		WHERE channel = OLD.channel AND last_offset < OLD.offset;
END;
