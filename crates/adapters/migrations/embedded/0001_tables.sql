-- What coordinators on one machine share. Numbers of 64 bits without a sign are stored as their bits, but for `place`,
-- which is moved so that it sorts, and for times, which end with the signed ones.

-- "KMTS". Tells this file from another program's.
PRAGMA application_id = 0x4b4d5453;

CREATE TABLE session (
    request BLOB NOT NULL UNIQUE CHECK (length(request) = 32),
    owner TEXT NOT NULL,
    fence INTEGER NOT NULL,
    until INTEGER NOT NULL,
    outcome BLOB,
    note BLOB NOT NULL,
    body BLOB NOT NULL
) STRICT;

CREATE INDEX session_open ON session (until, request) WHERE outcome IS NULL;

CREATE TABLE document (
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    place INTEGER NOT NULL,
    label TEXT,
    bytes BLOB NOT NULL,
    UNIQUE (kind, id)
) STRICT;

CREATE INDEX document_place ON document (kind, place, id);
CREATE INDEX document_label ON document (kind, label, place, id) WHERE label IS NOT NULL;

CREATE TABLE member (
    name TEXT NOT NULL PRIMARY KEY,
    role TEXT NOT NULL,
    address TEXT NOT NULL,
    until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX member_role ON member (role, name);

-- How often the members of a role have changed. Rows stay, so that no revision ever comes twice.
CREATE TABLE role (
    name TEXT NOT NULL PRIMARY KEY,
    changes INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- AUTOINCREMENT: the id of work that is done must never name other work.
CREATE TABLE work (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    due INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    borrower TEXT,
    bytes BLOB NOT NULL
) STRICT;

CREATE INDEX work_due ON work (due, id);
