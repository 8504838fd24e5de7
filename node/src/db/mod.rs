//! The node's state in redb: what it was told and what it decided, durable before it is acted on.
//!
//! One file, `state.redb`, beside the chunk store. It holds the signed records of every author
//! (the catalog is rebuilt from them at start), runs, how far schedules were handled, uploads, which
//! archives are not whole, outstanding tickets, and the *known* table: which sealed object a chunk of ours became, so that a chunk seen
//! again is not sealed again. The known table is a cache: a lost entry costs one sealing, a stale one
//! is noticed because the store is asked too.

mod handled;
mod hurt;
mod keys;
mod numbered;
mod numbers;
mod runs;
mod tables;
mod uploads;

use std::path::{Path, PathBuf};

pub use handled::Handled;
pub use hurt::HurtRow;
pub use keys::KeyRow;
pub use numbered::Numbered;
use protocol::{ChunkId, NodeId, SealedId};
use redb::{Database, ReadableDatabase, ReadableTable};
pub use runs::RunsOf;
use tables::{KNOWN, META, RECORDS};
pub use uploads::StoredUpload;

/// redb's page cache. The default of 1 GiB buys nothing here but a gigabyte of memory.
const CACHE_BYTES: usize = 8 << 20;

/// What `state.redb` says of the layout it has.
const SCHEMA: &[u8] = b"1";

/// State that cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// redb could not open the file.
    #[error("cannot open the state file {path}")]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<redb::Error>,
    },
    /// A read or a write failed: a full disk, a damaged file.
    #[error("cannot {what} in the state file")]
    Io {
        /// The operation.
        what: &'static str,
        /// Why.
        #[source]
        source: Box<redb::Error>,
    },
    /// The file was written by another version of this program.
    #[error("the state file {path} has layout {found}, this program knows layout 1")]
    Schema {
        /// The file.
        path: PathBuf,
        /// The layout it says.
        found: String,
    },
}

/// Names the operation in an error of redb.
fn during<E: Into<redb::Error>>(what: &'static str) -> impl FnOnce(E) -> DbError {
    move |source| DbError::Io { what, source: Box::new(source.into()) }
}

/// Where a chunk of ours lies, by its plaintext.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// The sealed object.
    pub sealed: SealedId,
    /// Its size, bytes.
    pub sealed_bytes: u32,
}

/// The open state file. Cheap to share behind an `Arc`; every call blocks on the disk.
pub struct Db {
    redb: Database,
}

impl Db {
    /// Opens the state file, making it on the first start.
    ///
    /// # Errors
    /// When it cannot be opened, is damaged, or has another layout.
    pub fn open(path: &Path) -> Result<Self, DbError> {
        let open_error =
            |source: redb::Error| DbError::Open { path: path.to_owned(), source: Box::new(source) };
        let redb = redb::Builder::new()
            .set_cache_size(CACHE_BYTES)
            .create(path)
            .map_err(|e| open_error(e.into()))?;
        let db = Self { redb };
        match db.meta("schema")? {
            Some(found) if found == SCHEMA => {}
            Some(found) => {
                let found = String::from_utf8_lossy(&found).into_owned();
                return Err(DbError::Schema { path: path.to_owned(), found });
            }
            None => db.set_meta("schema", SCHEMA)?,
        }
        db.drop_old_runs()?;
        Ok(db)
    }

    /// Makes a batch of records durable: puts and deletions together, or none of them.
    ///
    /// # Errors
    /// When the disk refuses; then nothing of the batch is there.
    pub fn write_records(&self, batch: &[RecordWrite]) -> Result<(), DbError> {
        const WHAT: &str = "write records";
        self.write(WHAT, |tx| {
            let mut table = tx.open_table(RECORDS).map_err(during(WHAT))?;
            apply(&mut table, batch).map_err(during(WHAT))
        })
    }

    /// Puts these records in place of all that were stored, with a setting, in one commit.
    ///
    /// # Errors
    /// When the disk refuses; then everything is as before.
    pub fn replace_records(
        &self,
        batch: &[RecordWrite],
        (name, value): (&str, &[u8]),
    ) -> Result<(), DbError> {
        const WHAT: &str = "replace the records";
        self.write(WHAT, |tx| {
            let mut table = tx.open_table(RECORDS).map_err(during(WHAT))?;
            table.retain(|_, _| false).map_err(during(WHAT))?;
            apply(&mut table, batch).map_err(during(WHAT))?;
            tx.open_table(META).map_err(during(WHAT))?.insert(name, value).map_err(during(WHAT))?;
            Ok(())
        })
    }

    /// Every stored record, as it came.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn records(&self) -> Result<Vec<Vec<u8>>, DbError> {
        const WHAT: &str = "read records";
        self.read(WHAT, RECORDS, |table| {
            table
                .iter()
                .map_err(during(WHAT))?
                .map(|row| Ok(row.map_err(during(WHAT))?.1.value().to_vec()))
                .collect()
        })
        .map(Option::unwrap_or_default)
    }

    /// What is known of each chunk, in the order asked.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn known(&self, chunk: &ChunkId) -> Result<Option<Known>, DbError> {
        const WHAT: &str = "look up a known chunk";
        let found = self.read(WHAT, KNOWN, |table| {
            Ok(table.get(chunk.0.as_slice()).map_err(during(WHAT))?.and_then(|row| {
                let (sealed, sealed_bytes) = row.value();
                Some(Known { sealed: SealedId(sealed.try_into().ok()?), sealed_bytes })
            }))
        })?;
        Ok(found.flatten())
    }

    /// Remembers what chunks became.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn remember(&self, chunks: &[(ChunkId, Known)]) -> Result<(), DbError> {
        const WHAT: &str = "remember known chunks";
        self.write(WHAT, |tx| {
            let mut table = tx.open_table(KNOWN).map_err(during(WHAT))?;
            for (chunk, known) in chunks {
                let value = (known.sealed.0.as_slice(), known.sealed_bytes);
                table.insert(chunk.0.as_slice(), value).map_err(during(WHAT))?;
            }
            Ok(())
        })
    }

    /// Forgets known chunks whose sealed object is gone, after a collection.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn forget_known(&self, keep: impl Fn(&SealedId) -> bool) -> Result<u64, DbError> {
        const WHAT: &str = "forget known chunks";
        let mut dropped = 0;
        self.write(WHAT, |tx| {
            let mut table = tx.open_table(KNOWN).map_err(during(WHAT))?;
            table
                .retain(|_, (sealed, _)| {
                    let kept = sealed.try_into().is_ok_and(|id| keep(&SealedId(id)));
                    dropped += u64::from(!kept);
                    kept
                })
                .map_err(during(WHAT))
        })?;
        Ok(dropped)
    }

    /// A named value of the node itself.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn meta(&self, key: &str) -> Result<Option<Vec<u8>>, DbError> {
        const WHAT: &str = "read a setting";
        let found = self.read(WHAT, META, |table| {
            Ok(table.get(key).map_err(during(WHAT))?.map(|row| row.value().to_vec()))
        })?;
        Ok(found.flatten())
    }

    /// Sets a named value of the node itself.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn set_meta(&self, key: &str, value: &[u8]) -> Result<(), DbError> {
        const WHAT: &str = "write a setting";
        self.write(WHAT, |tx| {
            let mut table = tx.open_table(META).map_err(during(WHAT))?;
            table.insert(key, value).map_err(during(WHAT))?;
            Ok(())
        })
    }

    fn write(
        &self,
        what: &'static str,
        change: impl FnOnce(&redb::WriteTransaction) -> Result<(), DbError>,
    ) -> Result<(), DbError> {
        let mut tx = self.redb.begin_write().map_err(during(what))?;
        // Without it a killed daemon walks the whole file at its next start.
        tx.set_quick_repair(true);
        change(&tx)?;
        tx.commit().map_err(during(what))
    }

    /// Reads from a table; `None` when nothing was ever written to it.
    fn read<K: redb::Key + 'static, V: redb::Value + 'static, T>(
        &self,
        what: &'static str,
        table: redb::TableDefinition<'static, K, V>,
        read: impl FnOnce(redb::ReadOnlyTable<K, V>) -> Result<T, DbError>,
    ) -> Result<Option<T>, DbError> {
        let tx = self.redb.begin_read().map_err(during(what))?;
        match tx.open_table(table) {
            Ok(table) => read(table).map(Some),
            Err(redb::TableError::TableDoesNotExist(_)) => Ok(None),
            Err(source) => Err(during(what)(source)),
        }
    }
}

fn apply(
    table: &mut redb::Table<'_, (&'static [u8], &'static str), &'static [u8]>,
    batch: &[RecordWrite],
) -> Result<(), redb::StorageError> {
    for write in batch {
        match write {
            RecordWrite::Put { author, key, bytes } => {
                table.insert((author.0.as_slice(), key.as_str()), bytes.as_slice())?;
            }
            RecordWrite::Remove { author, key } => {
                table.remove((author.0.as_slice(), key.as_str()))?;
            }
        }
    }
    Ok(())
}

/// One change to the stored records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordWrite {
    /// The record an author has under a key, replacing an older one.
    Put {
        /// Who signed it.
        author: NodeId,
        /// Its key.
        key: String,
        /// The signed bytes.
        bytes: Vec<u8>,
    },
    /// Nothing under this key any more.
    Remove {
        /// Who signed it.
        author: NodeId,
        /// Its key.
        key: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(author: u8, key: &str, bytes: &[u8]) -> RecordWrite {
        let (author, key) = (NodeId([author; 32]), key.to_owned());
        RecordWrite::Put { author, key, bytes: bytes.to_vec() }
    }

    #[test]
    fn what_was_written_is_there_after_reopening() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.redb");
        let known = Known { sealed: SealedId([2; 32]), sealed_bytes: 77 };
        {
            let db = Db::open(&path).unwrap();
            assert!(db.records().unwrap().is_empty());
            db.write_records(&[put(1, "node", b"old"), put(2, "node", b"other")]).unwrap();
            db.write_records(&[put(1, "node", b"new")]).unwrap();
            db.remember(&[(ChunkId([1; 32]), known)]).unwrap();
        }
        let db = Db::open(&path).unwrap();
        assert_eq!(db.records().unwrap(), [b"new".to_vec(), b"other".to_vec()]);
        assert_eq!(db.known(&ChunkId([1; 32])).unwrap(), Some(known));
        assert_eq!(db.known(&ChunkId([9; 32])).unwrap(), None);
        assert_eq!(db.forget_known(|_| false).unwrap(), 1);
        assert_eq!(db.known(&ChunkId([1; 32])).unwrap(), None);
    }

    #[test]
    fn another_layout_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.redb");
        Db::open(&path).unwrap().set_meta("schema", b"99").unwrap();
        let Err(error) = Db::open(&path) else { panic!("opened a layout it does not know") };
        assert!(error.to_string().contains("layout 99"), "{error}");
    }
}
