-- A number that moves with every change of a room, whoever makes it: a list that is kept by it is not
-- read again because somebody has stored a message.
CREATE TABLE rooms_version (
	mark_id INTEGER PRIMARY KEY CHECK (mark_id = 1),
	version INTEGER NOT NULL
) STRICT;

INSERT INTO rooms_version (mark_id, version) VALUES (1, 1);

CREATE TRIGGER rooms_version_insert AFTER INSERT ON rooms BEGIN
	UPDATE rooms_version SET version = version + 1;
END;

CREATE TRIGGER rooms_version_update AFTER UPDATE ON rooms BEGIN
	UPDATE rooms_version SET version = version + 1;
END;

CREATE TRIGGER rooms_version_delete AFTER DELETE ON rooms BEGIN
	UPDATE rooms_version SET version = version + 1;
END;
