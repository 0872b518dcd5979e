CREATE INDEX sessions_not_final ON sessions (account, started_at) WHERE end_is_final = 0;
