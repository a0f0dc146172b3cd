-- Credentials of accounts that the partner refuses. Times are milliseconds since 1970 UTC.
CREATE TABLE suspension (
    pod TEXT NOT NULL,
    -- 0 when the message named none.
    account INTEGER NOT NULL,
    -- A digest of the account's settings.
    fingerprint TEXT NOT NULL,
    since_ms INTEGER NOT NULL,
    confirmed_ms INTEGER NOT NULL,
    received_ms INTEGER NOT NULL,
    refusals INTEGER NOT NULL,
    PRIMARY KEY (pod, account, fingerprint)
) STRICT, WITHOUT ROWID;
