//! Uploads in the state file: which parts came, and what became of them.

use protocol::upload::{Session, SessionError, UploadId};
use redb::ReadableTable as _;

use super::{Db, DbError, during, tables::UPLOADS};

/// A stored upload, or why it cannot be read.
pub type StoredUpload = (UploadId, Result<Session, SessionError>);

impl Db {
    /// Every upload that is not forgotten.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn uploads(&self) -> Result<Vec<StoredUpload>, DbError> {
        const WHAT: &str = "read the uploads";
        let rows = self.read(WHAT, UPLOADS, |table| {
            let mut rows = Vec::new();
            for row in table.iter().map_err(during(WHAT))? {
                let (id, session) = row.map_err(during(WHAT))?;
                rows.push((UploadId(*id.value()), Session::decode(session.value())));
            }
            Ok(rows)
        })?;
        Ok(rows.unwrap_or_default())
    }

    /// Notes how an upload stands.
    ///
    /// # Errors
    /// When the disk refuses; then it stands as before.
    pub fn set_upload(&self, id: &UploadId, session: &Session) -> Result<(), DbError> {
        const WHAT: &str = "note how an upload stands";
        self.write(WHAT, |tx| {
            let mut table = tx.open_table(UPLOADS).map_err(during(WHAT))?;
            table.insert(&id.0, session.encode().as_slice()).map_err(during(WHAT))?;
            Ok(())
        })
    }

    /// Forgets uploads, all of them or none.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn forget_uploads(&self, ids: &[UploadId]) -> Result<(), DbError> {
        const WHAT: &str = "forget uploads";
        self.write(WHAT, |tx| {
            let mut table = tx.open_table(UPLOADS).map_err(during(WHAT))?;
            for id in ids {
                table.remove(&id.0).map_err(during(WHAT))?;
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use protocol::{Time, upload::Spec};

    use super::*;

    #[test]
    fn an_upload_is_there_after_reopening_until_it_is_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.redb");
        let (one, two) = (UploadId([1; 16]), UploadId([2; 16]));
        let spec = Spec::new("a.tar", 10, 4, &"0".repeat(64)).unwrap();
        let mut session = Session::new(spec, Time(7));
        {
            let db = Db::open(&path).unwrap();
            assert!(db.uploads().unwrap().is_empty());
            db.set_upload(&one, &session).unwrap();
            db.set_upload(&two, &session).unwrap();
            session.receive(1, Time(8)).unwrap();
            db.set_upload(&one, &session).unwrap();
        }
        let db = Db::open(&path).unwrap();
        db.forget_uploads(&[two]).unwrap();
        let rows = db.uploads().unwrap();
        let [(id, Ok(found))] = rows.as_slice() else { panic!("{rows:?}") };
        assert_eq!((*id, found), (one, &session));
    }
}
