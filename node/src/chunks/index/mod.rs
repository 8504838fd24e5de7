//! The index in redb: where each object lies. A cache: the packs hold the truth.
//!
//! All its tables are here. Panics of redb on a damaged file are caught and become errors; after a
//! failed write the database is closed and opened again, as redb wants it.

mod bounded;

use std::{
    collections::BTreeMap,
    fs, io,
    ops::Bound,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock, atomic::Ordering},
};

use protocol::id::SealedId;
use redb::{
    Database, Durability, ReadTransaction, ReadableDatabase, ReadableTable, ReadableTableMetadata,
    TableDefinition,
};

use self::bounded::{Added, BoundedFile};
use super::{
    error::{FullReason, Result, StoreError, is_full},
    frame::Place,
};

/// `SealedId` -> (pack, offset of the frame, bytes of the object)
const OBJECTS: TableDefinition<'_, &[u8; 32], (u32, u32, u32)> = TableDefinition::new("objects-1");
/// pack -> bytes of it that are indexed
const PACKS: TableDefinition<'_, u32, u64> = TableDefinition::new("packs-1");
/// pack that holds nothing needed any more and is to be removed -> nothing
const DOOMED: TableDefinition<'_, u32, ()> = TableDefinition::new("doomed-1");
/// "next-pack" -> the lowest number that no pack ever had;
/// "open-pack" -> the pack that may be appended to, known to end with a frame; 0 for none
const NUMBERS: TableDefinition<'_, &str, u64> = TableDefinition::new("numbers-1");
const NEXT_PACK: &str = "next-pack";
const OPEN_PACK: &str = "open-pack";

/// Entries read or removed in one go when the whole index is walked.
pub(super) const SCAN_BATCH: usize = 50_000;

/// Which pack numbers are in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Numbers {
    /// The lowest that was never used.
    pub(super) next: u32,
    /// The pack that may be appended to.
    pub(super) open: Option<u32>,
}

/// Objects and their places, sorted: what one commit adds.
pub(super) type Places = BTreeMap<SealedId, Place>;

/// The index of a store.
pub(super) struct Index {
    path: PathBuf,
    cache_bytes: usize,
    added: Added,
    db: RwLock<Option<Database>>,
}

impl std::fmt::Debug for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Index").field("path", &self.path).finish_non_exhaustive()
    }
}

/// What became of opening an index.
pub(super) enum Opening {
    /// It can be used.
    Ready(Index),
    /// It is missing, damaged or of another version, for this reason.
    Useless(String),
}

fn place((pack, offset, bytes): (u32, u32, u32)) -> Place {
    Place { pack, offset, bytes }
}

/// Whether what redb said means that the file itself is no good, not the disk or the rights.
fn is_damage(error: &redb::Error) -> bool {
    match error {
        redb::Error::Io(error) => {
            matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
        }
        redb::Error::Corrupted(_)
        | redb::Error::UpgradeRequired(_)
        | redb::Error::RepairAborted
        | redb::Error::TableTypeMismatch { .. }
        | redb::Error::TypeDefinitionChanged { .. }
        | redb::Error::TableIsMultimap(_)
        | redb::Error::TableDoesNotExist(_) => true,
        _ => false,
    }
}

impl Index {
    fn closed(path: &Path, cache_bytes: usize) -> Self {
        let (path, db) = (path.to_owned(), RwLock::new(None));
        Self { path, cache_bytes, added: Added::default(), db }
    }

    fn open_file(&self, create: bool) -> Result<Database, redb::Error> {
        let file = BoundedFile::open(&self.path, create, Arc::clone(&self.added))?;
        Ok(Database::builder().set_cache_size(self.cache_bytes).create_with_backend(file)?)
    }

    /// So many objects are about to be added: the file may grow for them.
    fn expect(&self, objects: usize) {
        self.added.fetch_add(objects as u64, Ordering::Relaxed);
    }

    /// Makes an empty index in a new file.
    pub(super) fn create(path: &Path, cache_bytes: usize) -> Result<Self> {
        let index = Self::closed(path, cache_bytes);
        let made = index.guard(|| {
            let db = index.open_file(true)?;
            let mut txn = db.begin_write()?;
            txn.set_quick_repair(true);
            txn.open_table(OBJECTS)?;
            txn.open_table(PACKS)?;
            txn.open_table(DOOMED)?;
            txn.open_table(NUMBERS)?;
            txn.commit()?;
            Ok(db)
        })?;
        *index.db.write().unwrap_or_else(PoisonError::into_inner) = Some(made);
        Ok(index)
    }

    /// Opens an index and looks whether it is one.
    pub(super) fn open(path: &Path, cache_bytes: usize) -> Result<Opening> {
        if !fs::exists(path).map_err(StoreError::io("read", path))? {
            return Ok(Opening::Useless("the index was missing".to_owned()));
        }
        let index = Self::closed(path, cache_bytes);
        let looked = index.packs().and_then(|_| index.doomed()).and_then(|_| index.numbers());
        match looked.and_then(|_| index.len()) {
            Ok(_) => Ok(Opening::Ready(index)),
            Err(StoreError::IndexDamaged { .. }) => {
                Ok(Opening::Useless("the index was damaged".to_owned()))
            }
            Err(error) => Err(error),
        }
    }

    /// Runs something with redb; its panics become errors.
    fn guard<T>(&self, work: impl FnOnce() -> Result<T, redb::Error>) -> Result<T> {
        match catch_unwind(AssertUnwindSafe(work)) {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(redb::Error::Io(error))) if is_full(&error) => Err(StoreError::Full {
                dir: self.path.clone(),
                needed: 0,
                free: 0,
                reason: FullReason::Disk,
            }),
            Ok(Err(source)) if is_damage(&source) => {
                tracing::error!(error = %source, "the index is damaged");
                Err(StoreError::IndexDamaged { path: self.path.clone() })
            }
            Ok(Err(source)) => Err(StoreError::Index { path: self.path.clone(), source }),
            Err(_panic) => Err(StoreError::IndexDamaged { path: self.path.clone() }),
        }
    }

    fn with<T>(&self, work: impl FnOnce(&Database) -> Result<T, redb::Error>) -> Result<T> {
        let open = self.db.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(db) = open.as_ref() {
            return self.guard(|| work(db));
        }
        drop(open);
        let mut closed = self.db.write().unwrap_or_else(PoisonError::into_inner);
        if closed.is_none() {
            *closed = Some(self.guard(|| self.open_file(false))?);
        }
        match closed.as_ref() {
            Some(db) => self.guard(|| work(db)),
            None => Err(StoreError::IndexDamaged { path: self.path.clone() }),
        }
    }

    /// A durable write; after a failure the database is closed, to be opened anew.
    fn write<T>(
        &self,
        work: impl FnOnce(&redb::WriteTransaction) -> Result<T, redb::Error>,
    ) -> Result<T> {
        let done = self.with(|db| {
            let mut txn = db.begin_write()?;
            txn.set_quick_repair(true);
            let done = work(&txn)?;
            txn.commit()?;
            Ok(done)
        });
        if done.is_err() {
            close(self.db.write().unwrap_or_else(PoisonError::into_inner).take());
        }
        done
    }

    /// Where an object lies.
    pub(super) fn get(&self, id: &SealedId) -> Result<Option<Place>> {
        Ok(self.get_all(&[id])?.pop().flatten())
    }

    /// Where many objects lie, in one transaction.
    pub(super) fn get_all(&self, ids: &[&SealedId]) -> Result<Vec<Option<Place>>> {
        self.with(|db| {
            let table = db.begin_read()?.open_table(OBJECTS)?;
            ids.iter().map(|id| Ok(table.get(&id.0)?.map(|found| place(found.value())))).collect()
        })
    }

    /// How many objects it knows.
    pub(super) fn len(&self) -> Result<u64> {
        self.with(|db| Ok(db.begin_read()?.open_table(OBJECTS)?.len()?))
    }

    /// How far each pack is indexed.
    pub(super) fn packs(&self) -> Result<BTreeMap<u32, u64>> {
        self.with(|db| {
            let table = db.begin_read()?.open_table(PACKS)?;
            let mut packs = BTreeMap::new();
            for entry in table.iter()? {
                let (pack, end) = entry?;
                packs.insert(pack.value(), end.value());
            }
            Ok(packs)
        })
    }

    /// Packs whose removal was decided.
    pub(super) fn doomed(&self) -> Result<Vec<u32>> {
        self.with(|db| {
            let table = db.begin_read()?.open_table(DOOMED)?;
            table.iter()?.map(|entry| Ok(entry?.0.value())).collect()
        })
    }

    /// The pack numbers as of the last commit.
    pub(super) fn numbers(&self) -> Result<Numbers> {
        self.with(|db| {
            let table = db.begin_read()?.open_table(NUMBERS)?;
            let number = |name| -> Result<Option<u32>, redb::Error> {
                Ok(table.get(name)?.and_then(|n| u32::try_from(n.value()).ok()))
            };
            let open = number(OPEN_PACK)?.filter(|open| *open > 0);
            Ok(Numbers { next: number(NEXT_PACK)?.unwrap_or(1), open })
        })
    }

    /// Adds objects, and how far packs are indexed now. One durable commit.
    pub(super) fn commit(
        &self,
        places: &Places,
        ends: &BTreeMap<u32, u64>,
        numbers: Numbers,
    ) -> Result<()> {
        self.expect(places.len());
        self.write(|txn| {
            insert(txn, places)?;
            put_ends(txn, ends)?;
            let mut table = txn.open_table(NUMBERS)?;
            table.insert(NEXT_PACK, u64::from(numbers.next))?;
            table.insert(OPEN_PACK, u64::from(numbers.open.unwrap_or(0)))?;
            Ok(())
        })
    }

    /// Adds objects without making them durable: for building an index that is thrown away if it
    /// is not finished.
    pub(super) fn commit_soft(&self, places: &Places) -> Result<()> {
        self.expect(places.len());
        self.with(|db| {
            let mut txn = db.begin_write()?;
            txn.set_durability(Durability::None).map_err(redb::Error::from)?;
            insert(&txn, places)?;
            Ok(txn.commit()?)
        })
    }

    /// Forgets objects, those only that still lie where they are said to.
    pub(super) fn forget(&self, objects: &[(SealedId, Place)]) -> Result<u64> {
        if objects.is_empty() {
            return Ok(0);
        }
        self.write(|txn| {
            let mut table = txn.open_table(OBJECTS)?;
            let mut forgotten = 0;
            for (id, from) in objects {
                let same = table.get(&id.0)?.is_some_and(|found| place(found.value()) == *from);
                if same {
                    table.remove(&id.0)?;
                    forgotten += 1;
                }
            }
            Ok(forgotten)
        })
    }

    /// Adds objects that it does not know.
    pub(super) fn add_unknown(&self, places: &Places) -> Result<u64> {
        if places.is_empty() {
            return Ok(0);
        }
        self.expect(places.len());
        self.write(|txn| {
            let mut table = txn.open_table(OBJECTS)?;
            let mut added = 0;
            for (id, place) in places {
                if table.get(&id.0)?.is_none() {
                    table.insert(&id.0, (place.pack, place.offset, place.bytes))?;
                    added += 1;
                }
            }
            Ok(added)
        })
    }

    /// Decides that packs are removed; from now on nothing of them counts.
    pub(super) fn doom(&self, packs: &[u32]) -> Result<()> {
        self.write(|txn| {
            let (mut known, mut doomed) = (txn.open_table(PACKS)?, txn.open_table(DOOMED)?);
            for pack in packs {
                known.remove(pack)?;
                doomed.insert(pack, ())?;
            }
            Ok(())
        })
    }

    /// The doomed packs are gone from the disk.
    pub(super) fn bury(&self) -> Result<()> {
        self.write(|txn| Ok(txn.open_table(DOOMED)?.retain(|_, ()| false)?))
    }

    /// A view that does not change, to walk all entries.
    pub(super) fn snapshot(&self) -> Result<Snapshot<'_>> {
        Ok(Snapshot { index: self, txn: self.with(|db| Ok(db.begin_read()?))?, after: None })
    }

    /// Verifies the checksums of the whole file. False when it is no good.
    pub(super) fn is_sound(&self) -> Result<bool> {
        let opened = self.with(|_| Ok(()));
        let mut db = self.db.write().unwrap_or_else(PoisonError::into_inner);
        let checked = opened.and_then(|()| match db.as_mut() {
            Some(open) => self.guard(|| Ok(open.check_integrity()?)),
            None => Ok(true),
        });
        match checked {
            // somebody walks a snapshot at this moment, so nothing can be said
            Err(StoreError::Index { source: redb::Error::TransactionInProgress, .. }) => Ok(true),
            Err(StoreError::IndexDamaged { .. }) => Ok(false),
            other => other,
        }
    }

    /// Closes this one and puts `other`, finished in its own file, in its place.
    pub(super) fn replace_by(&self, other: Self) -> Result<()> {
        let mut db = self.db.write().unwrap_or_else(PoisonError::into_inner);
        close(db.take());
        let path = other.path.clone();
        drop(other);
        fs::rename(&path, &self.path).map_err(StoreError::io("rename", path))
    }

    /// Gives its file the name that it is opened by.
    pub(super) fn rename_to(mut self, path: &Path) -> Result<Self> {
        fs::rename(&self.path, path).map_err(StoreError::io("rename", &self.path))?;
        path.clone_into(&mut self.path);
        Ok(self)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// Closes a database, which may panic when its file is damaged.
fn close(db: Option<Database>) {
    if catch_unwind(AssertUnwindSafe(|| drop(db))).is_err() {
        tracing::error!("the index could not be closed cleanly");
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        close(self.db.get_mut().unwrap_or_else(PoisonError::into_inner).take());
    }
}

fn insert(txn: &redb::WriteTransaction, places: &Places) -> Result<(), redb::Error> {
    let mut table = txn.open_table(OBJECTS)?;
    for (id, place) in places {
        table.insert(&id.0, (place.pack, place.offset, place.bytes))?;
    }
    Ok(())
}

fn put_ends(txn: &redb::WriteTransaction, ends: &BTreeMap<u32, u64>) -> Result<(), redb::Error> {
    let mut table = txn.open_table(PACKS)?;
    for (pack, end) in ends {
        table.insert(pack, end)?;
    }
    Ok(())
}

/// All entries of the index at one moment. Walked in batches.
pub(super) struct Snapshot<'a> {
    index: &'a Index,
    txn: ReadTransaction,
    after: Option<SealedId>,
}

impl Snapshot<'_> {
    /// How many entries there were.
    pub(super) fn len(&self) -> Result<u64> {
        self.index.guard(|| Ok(self.txn.open_table(OBJECTS)?.len()?))
    }

    /// Where objects lay.
    pub(super) fn get_all(&self, ids: &[SealedId]) -> Result<Vec<Option<Place>>> {
        self.index.guard(|| {
            let table = self.txn.open_table(OBJECTS)?;
            ids.iter().map(|id| Ok(table.get(&id.0)?.map(|found| place(found.value())))).collect()
        })
    }

    /// The next entries in the order of the ids; none at the end.
    pub(super) fn batch(&mut self) -> Result<Vec<(SealedId, Place)>> {
        let from = self.after.as_ref().map_or(Bound::Unbounded, |id| Bound::Excluded(&id.0));
        let batch = self.index.guard(|| {
            let table = self.txn.open_table(OBJECTS)?;
            let range = table.range::<&[u8; 32]>((from, Bound::Unbounded))?;
            let mut batch = Vec::new();
            for entry in range.take(SCAN_BATCH) {
                let (id, at) = entry?;
                batch.push((SealedId(*id.value()), place(at.value())));
            }
            Ok(batch)
        })?;
        self.after = batch.last().map(|(id, _)| *id).or(self.after);
        Ok(batch)
    }
}
