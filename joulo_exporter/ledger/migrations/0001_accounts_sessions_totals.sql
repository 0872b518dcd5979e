CREATE TABLE accounts (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);

-- pause_s, failures and requested_at are the throttle; body is the last API response, served after a restart.
CREATE TABLE endpoints (
  account INTEGER NOT NULL, endpoint TEXT NOT NULL,
  requested_at REAL, pause_s REAL NOT NULL DEFAULT 0, failures INTEGER NOT NULL DEFAULT 0,
  up INTEGER, error TEXT, succeeded_at REAL, body BLOB, malformed INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (account, endpoint)) WITHOUT ROWID;

CREATE TABLE requests (
  account INTEGER NOT NULL, endpoint TEXT NOT NULL, code TEXT NOT NULL, count INTEGER NOT NULL,
  PRIMARY KEY (account, endpoint, code)) WITHOUT ROWID;

CREATE TABLE chargers (
  account INTEGER NOT NULL, charger_id TEXT NOT NULL, label TEXT NOT NULL,
  PRIMARY KEY (account, charger_id), UNIQUE (account, label)) WITHOUT ROWID;

CREATE TABLE meters (
  account INTEGER NOT NULL, charger_id TEXT NOT NULL, wh REAL NOT NULL, at REAL NOT NULL,
  former_wh REAL, former_at REAL,
  PRIMARY KEY (account, charger_id)) WITHOUT ROWID;

CREATE TABLE sessions (
  account INTEGER NOT NULL, id TEXT NOT NULL, charger_id TEXT NOT NULL, charger_nickname TEXT,
  started_at REAL, ended_at REAL, end_is_final INTEGER NOT NULL,
  kwh_hundredths INTEGER, credits_hundredths INTEGER, id_tag TEXT,
  live_at REAL, end_seen_at REAL, generation INTEGER NOT NULL, withdrawn INTEGER NOT NULL,
  PRIMARY KEY (account, id)) WITHOUT ROWID;
CREATE INDEX sessions_by_end ON sessions (account, charger_id, ended_at);
CREATE INDEX sessions_by_start ON sessions (account, started_at);
CREATE INDEX sessions_open ON sessions (account, charger_id) WHERE ended_at IS NULL AND live_at IS NOT NULL;

CREATE TABLE totals (
  account INTEGER NOT NULL, charger_id TEXT NOT NULL, tag TEXT NOT NULL,
  kwh_hundredths INTEGER NOT NULL, credits_hundredths INTEGER NOT NULL,
  sessions INTEGER NOT NULL, duration_ms INTEGER NOT NULL, entries INTEGER NOT NULL,
  PRIMARY KEY (account, charger_id, tag)) WITHOUT ROWID;

-- The highest value that each counter has shown: it holds when the API corrects downwards.
CREATE TABLE marks (
  account INTEGER NOT NULL, series TEXT NOT NULL, key TEXT NOT NULL, value NUMERIC NOT NULL,
  PRIMARY KEY (account, series, key)) WITHOUT ROWID;

CREATE TABLE walks (account INTEGER PRIMARY KEY, walk BLOB NOT NULL);
