-- Each refresh writes live_at of the sessions in progress; as part of the condition it had them taken out of the
-- index and put in again.
DROP INDEX sessions_open;
CREATE INDEX sessions_open ON sessions (account, charger_id) WHERE ended_at IS NULL;
