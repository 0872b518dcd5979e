CREATE INDEX sessions_by_news ON sessions (account, end_seen_at) WHERE end_seen_at IS NOT NULL;
