-- A session that has ended before counts as it did: its tag is decided.
ALTER TABLE sessions ADD COLUMN awaits_tag INTEGER NOT NULL DEFAULT 0;
