/** The tables. A change of them is a new version, and an old file is refused. */
export const version = 1

export const tables = `
CREATE TABLE queue (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  -- Stands in every receipt: that of a queue deleted since, or of another file, finds nothing.
  incarnation TEXT NOT NULL DEFAULT (lower(hex(randomblob(8)))),
  sessions INTEGER NOT NULL,
  deliveriesMax INTEGER NOT NULL,
  lockMillis INTEGER NOT NULL,
  deduplication INTEGER NOT NULL,
  -- The last sequence number and the last ticket given out.
  sequence INTEGER NOT NULL DEFAULT 0,
  ticket INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE message (
  id INTEGER PRIMARY KEY,
  queue INTEGER NOT NULL REFERENCES queue ON DELETE CASCADE,
  dead INTEGER NOT NULL DEFAULT 0,
  sequence INTEGER NOT NULL,
  messageId TEXT NOT NULL,
  sessionId TEXT,
  body BLOB NOT NULL,
  envelope TEXT NOT NULL,
  enqueuedAt INTEGER NOT NULL,
  timeToLive INTEGER,
  expiresAt INTEGER,
  -- Not to be delivered before: set while a message is scheduled or backs off.
  scheduled INTEGER NOT NULL DEFAULT 0,
  visibleAt INTEGER,
  deliveryCount INTEGER NOT NULL DEFAULT 0,
  firstDeliveredAt INTEGER,
  -- Of the delivery under way. In a session the session has the lock.
  token TEXT,
  lockedUntil INTEGER,
  deadLetter TEXT
) STRICT;

CREATE UNIQUE INDEX message_sequence ON message (queue, dead, sequence);
CREATE UNIQUE INDEX message_token ON message (token) WHERE token IS NOT NULL;
CREATE INDEX message_ready ON message (queue, dead, sequence)
  WHERE token IS NULL AND visibleAt IS NULL;
CREATE INDEX message_session ON message (queue, sessionId, sequence)
  WHERE dead = 0 AND scheduled = 0 AND sessionId IS NOT NULL;
CREATE INDEX message_locked ON message (queue, lockedUntil) WHERE lockedUntil IS NOT NULL;
CREATE INDEX message_visible ON message (queue, visibleAt) WHERE visibleAt IS NOT NULL;
CREATE INDEX message_expires ON message (queue, expiresAt)
  WHERE token IS NULL AND expiresAt IS NOT NULL;

-- One row a session that has messages or state, or is held.
CREATE TABLE session (
  queue INTEGER NOT NULL REFERENCES queue ON DELETE CASCADE,
  id TEXT NOT NULL,
  holder TEXT,
  lockedUntil INTEGER,
  -- Set while the session is free and its first message can be delivered: the lowest is next.
  turn INTEGER,
  state BLOB,
  PRIMARY KEY (queue, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX session_locked ON session (queue, lockedUntil) WHERE lockedUntil IS NOT NULL;
CREATE INDEX session_turn ON session (queue, turn) WHERE turn IS NOT NULL;

CREATE TABLE sent (
  queue INTEGER NOT NULL REFERENCES queue ON DELETE CASCADE,
  messageId TEXT NOT NULL,
  until INTEGER NOT NULL,
  PRIMARY KEY (queue, messageId)
) STRICT, WITHOUT ROWID;

CREATE INDEX sent_until ON sent (queue, until);

PRAGMA user_version = ${version};
`
