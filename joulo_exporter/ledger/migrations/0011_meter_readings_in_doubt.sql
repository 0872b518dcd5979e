-- A reading that falls or leaps waits for the next one; where there is no meter, a session's energy serves.
ALTER TABLE meters ADD COLUMN doubted_wh REAL;
ALTER TABLE meters ADD COLUMN doubted_at REAL;
ALTER TABLE meters ADD COLUMN session_id TEXT;
