-- What a key may do. NULL: everything, as keys could before.
ALTER TABLE api_keys ADD COLUMN rights INTEGER CHECK (rights BETWEEN 0 AND 15); -- 1 subscribe, 2 publish, 4 moderate, 8 admin
ALTER TABLE api_keys ADD COLUMN channels TEXT; -- JSON: {pattern: [right, …]}; NULL: every channel
ALTER TABLE api_keys ADD COLUMN rooms TEXT; -- the same for rooms
