//! Keys of the HTTP interface: never their text, only what it can be checked with.

use protocol::{Time, cbor, job::Name};
use redb::ReadableTable as _;
use serde::{Deserialize, Serialize};

use super::{Db, DbError, during, tables::API_KEYS};

/// The largest row: a name and a hash of 60 characters.
const ROW_BYTES_MAX: usize = 4 << 10;

/// A key as it is stored.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRow {
    /// What people call it.
    pub name: Name,
    /// It may look at everything and change nothing.
    pub read_only: bool,
    /// It may read the metrics and nothing else.
    #[serde(default)]
    pub metrics_only: bool,
    /// When it was made.
    pub created: Time,
    /// When its use was last noted.
    pub used: Option<Time>,
    /// The bcrypt hash of its text.
    pub hash: String,
}

/// The hash stays out of logs: it is what somebody would try keys against.
impl std::fmt::Debug for KeyRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyRow").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Db {
    /// Every key, by id.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn api_keys(&self) -> Result<Vec<(String, KeyRow)>, DbError> {
        const WHAT: &str = "read the keys";
        let rows = self.read(WHAT, API_KEYS, |table| {
            let mut rows = Vec::new();
            for row in table.iter().map_err(during(WHAT))? {
                let (id, row) = row.map_err(during(WHAT))?;
                // One that cannot be read opens nothing.
                rows.extend(decode(row.value()).map(|row| (id.value().to_owned(), row)));
            }
            Ok(rows)
        })?;
        Ok(rows.unwrap_or_default())
    }

    /// Puts a new key.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn add_api_key(&self, id: &str, row: &KeyRow) -> Result<(), DbError> {
        const WHAT: &str = "write a key";
        self.write(WHAT, |tx| {
            let mut table = tx.open_table(API_KEYS).map_err(during(WHAT))?;
            table.insert(id, cbor::encode(row).as_slice()).map_err(during(WHAT))?;
            Ok(())
        })
    }

    /// Notes that a key was used; nothing for one that was removed meanwhile.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn use_api_key(&self, id: &str, used: Time) -> Result<(), DbError> {
        const WHAT: &str = "note the use of a key";
        self.write(WHAT, |tx| {
            let mut table = tx.open_table(API_KEYS).map_err(during(WHAT))?;
            let found = table.get(id).map_err(during(WHAT))?.and_then(|row| decode(row.value()));
            if let Some(row) = found {
                let row = cbor::encode(&KeyRow { used: Some(used), ..row });
                table.insert(id, row.as_slice()).map_err(during(WHAT))?;
            }
            Ok(())
        })
    }

    /// Removes a key.
    ///
    /// # Errors
    /// When the disk refuses; then it is still there.
    pub fn remove_api_key(&self, id: &str) -> Result<(), DbError> {
        const WHAT: &str = "remove a key";
        self.write(WHAT, |tx| {
            tx.open_table(API_KEYS).map_err(during(WHAT))?.remove(id).map_err(during(WHAT))?;
            Ok(())
        })
    }
}

fn decode(bytes: &[u8]) -> Option<KeyRow> {
    cbor::decode("key", bytes, ROW_BYTES_MAX).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_an_older_version_reads_more_than_metrics() {
        #[derive(Serialize)]
        struct Old {
            name: Name,
            read_only: bool,
            created: Time,
            used: Option<Time>,
            hash: String,
        }
        let (name, created, hash) = ("look".parse().unwrap(), Time(7), "$2b$04$x".to_owned());
        let old = Old { name, read_only: true, created, used: None, hash };
        let row = decode(&cbor::encode(&old)).unwrap();
        assert_eq!((row.read_only, row.metrics_only), (true, false));
    }

    #[test]
    fn keys_are_there_after_reopening_and_a_late_use_brings_no_removed_one_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.redb");
        let row = |name: &str| KeyRow {
            name: name.parse().unwrap(),
            read_only: name == "look",
            metrics_only: false,
            created: Time(7),
            used: None,
            hash: "$2b$04$x".to_owned(),
        };
        {
            let db = Db::open(&path).unwrap();
            assert!(db.api_keys().unwrap().is_empty());
            db.add_api_key("00000001", &row("look")).unwrap();
            db.add_api_key("00000002", &row("all")).unwrap();
            db.use_api_key("00000001", Time(9)).unwrap();
            db.remove_api_key("00000002").unwrap();
            db.use_api_key("00000002", Time(9)).unwrap();
        }
        let db = Db::open(&path).unwrap();
        let used = KeyRow { used: Some(Time(9)), ..row("look") };
        assert_eq!(db.api_keys().unwrap(), [("00000001".to_owned(), used.clone())]);
        assert!(!format!("{used:?}").contains("$2b$"), "{used:?}");
    }
}
