//! The table of SIP passwords.

use rusqlite::{Connection, OptionalExtension};

/// The realm of an account's SIP password, if it has one.
pub(super) fn realm(connection: &Connection, account: i64) -> rusqlite::Result<Option<String>> {
    let sql = "SELECT realm FROM sip_passwords WHERE account = ?1";
    connection.prepare_cached(sql)?.query_row([account], |row| row.get(0)).optional()
}

/// Added by schema 2.
pub(super) const TABLE: &str = "
    CREATE TABLE sip_passwords (
        account INTEGER PRIMARY KEY, realm TEXT NOT NULL, md5 TEXT NOT NULL, sha256 TEXT NOT NULL
    ) STRICT;";
