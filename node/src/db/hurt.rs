//! Archives that are not whole here, so that a restart does not make them good again.

use protocol::{ArchiveId, NodeId, SealedId, object::Link};
use redb::ReadableTable as _;

use super::{Db, DbError, during, tables::HURT};

/// An archive and its root.
pub type HurtRow = ((NodeId, ArchiveId), Link);

impl Db {
    /// All that were noted.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn hurt(&self) -> Result<Vec<HurtRow>, DbError> {
        const WHAT: &str = "read which archives are not whole";
        let rows = self.read(WHAT, HURT, |table| {
            let rows = table.iter().map_err(during(WHAT))?.map(|row| {
                let (key, value) = row.map_err(during(WHAT))?;
                let ((origin, archive), (root, bytes)) = (key.value(), value.value());
                let root = Link { id: SealedId(*root), bytes };
                Ok(((NodeId(*origin), ArchiveId(*archive)), root))
            });
            rows.collect::<Result<Vec<_>, DbError>>()
        })?;
        Ok(rows.unwrap_or_default())
    }

    /// Notes an archive that is not whole.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn note_hurt(&self, ((origin, archive), root): &HurtRow) -> Result<(), DbError> {
        const WHAT: &str = "note that an archive is not whole";
        self.write(WHAT, |tx| {
            let mut table = tx.open_table(HURT).map_err(during(WHAT))?;
            let (key, value) = ((&origin.0, &archive.0), (&root.id.0, root.bytes));
            table.insert(key, value).map_err(during(WHAT))?;
            Ok(())
        })
    }

    /// Forgets an archive that is whole again, or gone.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn forget_hurt(&self, origin: &NodeId, archive: &ArchiveId) -> Result<(), DbError> {
        const WHAT: &str = "note that an archive is whole again";
        self.write(WHAT, |tx| {
            let mut table = tx.open_table(HURT).map_err(during(WHAT))?;
            table.remove((&origin.0, &archive.0)).map_err(during(WHAT))?;
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_whole_is_known_after_reopening_until_it_is_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.redb");
        let row = |origin, archive, root| {
            let root = Link { id: SealedId([root; 32]), bytes: 7 };
            ((NodeId([origin; 32]), ArchiveId([archive; 16])), root)
        };
        {
            let db = Db::open(&path).unwrap();
            assert!(db.hurt().unwrap().is_empty());
            for row in [row(1, 1, 1), row(1, 2, 1), row(2, 1, 1), row(1, 1, 9)] {
                db.note_hurt(&row).unwrap();
            }
        }
        let db = Db::open(&path).unwrap();
        assert_eq!(db.hurt().unwrap(), [row(1, 1, 9), row(1, 2, 1), row(2, 1, 1)]);
        db.forget_hurt(&NodeId([1; 32]), &ArchiveId([1; 16])).unwrap();
        assert_eq!(db.hurt().unwrap(), [row(1, 2, 1), row(2, 1, 1)]);
    }
}
