//! Tables of numbered rows that are read whole at the start: instances and transfers.

use protocol::cbor;
use redb::{ReadableTable as _, TableDefinition};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    Db, DbError, during,
    tables::{INSTANCES, NOTICES, TRANSFERS},
};

/// The largest row: an instance with all its jobs.
const ROW_BYTES_MAX: usize = 2 << 20;

/// Which table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbered {
    /// Servers that are reached by the HTTP contract alone.
    Instances,
    /// Copies that are sent to them.
    Transfers,
    /// Messages for people.
    Notices,
}

impl Numbered {
    fn table(self) -> TableDefinition<'static, u64, &'static [u8]> {
        match self {
            Self::Instances => INSTANCES,
            Self::Transfers => TRANSFERS,
            Self::Notices => NOTICES,
        }
    }
}

impl Db {
    /// Every row that this version can read, by number.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn rows<T: DeserializeOwned>(&self, of: Numbered) -> Result<Vec<(u64, T)>, DbError> {
        const WHAT: &str = "read numbered rows";
        let rows = self.read(WHAT, of.table(), |table| {
            let mut rows = Vec::new();
            for row in table.iter().map_err(during(WHAT))? {
                let (number, bytes) = row.map_err(during(WHAT))?;
                let row = cbor::decode("row", bytes.value(), ROW_BYTES_MAX);
                rows.extend(row.ok().map(|row| (number.value(), row)));
            }
            Ok(rows)
        })?;
        Ok(rows.unwrap_or_default())
    }

    /// Puts a row.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn put_row(&self, of: Numbered, number: u64, row: &impl Serialize) -> Result<(), DbError> {
        const WHAT: &str = "write a numbered row";
        self.write(WHAT, |tx| {
            let mut table = tx.open_table(of.table()).map_err(during(WHAT))?;
            table.insert(number, cbor::encode(row).as_slice()).map_err(during(WHAT))?;
            Ok(())
        })
    }

    /// Puts rows and removes others, all or none of it.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn change_rows(
        &self,
        of: Numbered,
        put: &[(u64, impl Serialize)],
        remove: &[u64],
    ) -> Result<(), DbError> {
        const WHAT: &str = "change numbered rows";
        self.write(WHAT, |tx| {
            let mut table = tx.open_table(of.table()).map_err(during(WHAT))?;
            for (number, row) in put {
                table.insert(*number, cbor::encode(row).as_slice()).map_err(during(WHAT))?;
            }
            for number in remove {
                table.remove(*number).map_err(during(WHAT))?;
            }
            Ok(())
        })
    }

    /// Removes rows, all or none of them.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn remove_rows(&self, of: Numbered, numbers: &[u64]) -> Result<(), DbError> {
        const WHAT: &str = "remove numbered rows";
        self.write(WHAT, |tx| {
            let mut table = tx.open_table(of.table()).map_err(during(WHAT))?;
            for number in numbers {
                table.remove(*number).map_err(during(WHAT))?;
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_there_after_reopening_until_they_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.redb");
        {
            let db = Db::open(&path).unwrap();
            assert!(db.rows::<String>(Numbered::Instances).unwrap().is_empty());
            for (number, text) in [(1, "a"), (2, "b"), (2, "c"), (3, "d")] {
                db.put_row(Numbered::Instances, number, &text).unwrap();
            }
            db.put_row(Numbered::Transfers, 9, &7_u8).unwrap();
        }
        let db = Db::open(&path).unwrap();
        db.remove_rows(Numbered::Instances, &[1, 77]).unwrap();
        db.change_rows(Numbered::Instances, &[(2, "c"), (4, "e")], &[3, 4]).unwrap();
        assert_eq!(db.rows(Numbered::Instances).unwrap(), [(2, "c".to_owned())]);
        assert_eq!(db.rows(Numbered::Transfers).unwrap(), [(9, 7_u8)]);
        assert!(db.rows::<String>(Numbered::Transfers).unwrap().is_empty());
    }
}
