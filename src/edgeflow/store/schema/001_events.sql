CREATE TABLE events (
    number INTEGER PRIMARY KEY,
    time   REAL    NOT NULL,
    topic  TEXT    NOT NULL,
    source TEXT    NOT NULL,
    id     INTEGER NOT NULL,
    kind   TEXT    NOT NULL CHECK (kind IN ('none', 'number', 'text', 'json', 'bytes')),
    value,
    meta   TEXT    NOT NULL
);
CREATE INDEX events_by_topic ON events (topic, time);
CREATE INDEX events_by_time ON events (time);
