-- Version 1 of the embedded store. Times are milliseconds since 1970 UTC.

-- Message bodies have a table of their own, so that leasing a message does not rewrite its body.
CREATE TABLE queue_message (
    -- Never used twice: receipts name it.
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    queue TEXT NOT NULL,
    -- Hidden before this: delayed if it was never received, leased otherwise.
    visible_at_ms INTEGER NOT NULL,
    receive_count INTEGER NOT NULL DEFAULT 0,
    sent_at_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX queue_message_due ON queue_message (queue, visible_at_ms, receive_count, sent_at_ms);

CREATE TABLE queue_body (
    message_id INTEGER PRIMARY KEY,
    body BLOB NOT NULL
) STRICT;

CREATE TABLE subscription (
    pod TEXT NOT NULL,
    -- 0 when the message named none.
    account INTEGER NOT NULL,
    audience_id INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('active', 'removed')),
    name TEXT NOT NULL,
    -- JSON objects.
    settings TEXT NOT NULL,
    captured TEXT NOT NULL,
    changed_at_ms INTEGER NOT NULL,
    claim_owner TEXT,
    claim_until_ms INTEGER,
    PRIMARY KEY (pod, account, audience_id)
) STRICT, WITHOUT ROWID;
