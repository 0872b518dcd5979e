-- Without the columns that nothing reads any more; older versions of SQLite cannot drop them.
CREATE TABLE new_endpoints (
  account INTEGER NOT NULL, endpoint TEXT NOT NULL,
  requested_at REAL, pause_s REAL NOT NULL DEFAULT 0, failures INTEGER NOT NULL DEFAULT 0,
  up INTEGER, error TEXT, succeeded_at REAL, malformed INTEGER NOT NULL DEFAULT 0, succeeded INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (account, endpoint)) WITHOUT ROWID;
INSERT INTO new_endpoints SELECT
  account, endpoint, requested_at, pause_s, failures, up, error, succeeded_at, malformed, succeeded FROM endpoints;
DROP TABLE endpoints;
ALTER TABLE new_endpoints RENAME TO endpoints;

CREATE TABLE new_chargers (
  account INTEGER NOT NULL, charger_id TEXT NOT NULL, label TEXT NOT NULL,
  linked INTEGER NOT NULL DEFAULT 1, slug TEXT, nickname TEXT, moved_to TEXT,
  PRIMARY KEY (account, charger_id), UNIQUE (account, label)) WITHOUT ROWID;
INSERT INTO new_chargers SELECT account, charger_id, label, linked, slug, nickname, moved_to FROM chargers;
DROP TABLE chargers;
ALTER TABLE new_chargers RENAME TO chargers;

CREATE TABLE new_meters (
  account INTEGER NOT NULL, charger_id TEXT NOT NULL, wh REAL NOT NULL, at REAL NOT NULL,
  doubted_wh REAL, doubted_at REAL, session_id TEXT, power_watts REAL,
  PRIMARY KEY (account, charger_id)) WITHOUT ROWID;
INSERT INTO new_meters SELECT account, charger_id, wh, at, doubted_wh, doubted_at, session_id, power_watts FROM meters;
DROP TABLE meters;
ALTER TABLE new_meters RENAME TO meters;
