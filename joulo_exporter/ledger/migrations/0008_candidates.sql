-- Of the totals that the API states: when the mark rose, and a higher value that waits to be confirmed.
CREATE TABLE candidates (
  account INTEGER NOT NULL, series TEXT NOT NULL, key TEXT NOT NULL, risen_at REAL NOT NULL,
  value NUMERIC, at REAL, confirmations INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (account, series, key)) WITHOUT ROWID;
