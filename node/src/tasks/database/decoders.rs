//! Doors to the readers of dumps, see [`crate::decoders`].

use std::io::{BufRead, Read};

use super::{super::TaskError, head::Head, mysql, postgresql::Restricted};

/// Reads the head of a dump: the line written again, or the bytes that were read in looking for it.
///
/// # Errors
/// When it is broken.
pub fn dump_head(dump: &mut dyn BufRead) -> Result<Result<String, Vec<u8>>, TaskError> {
    match Head::read(dump)? {
        (Some(head), _) => head.line().map(Ok),
        (None, first) => Ok(Err(first)),
    }
}

/// The reader that keeps a dump of `MySQL` or MariaDB inside its database.
pub fn dump_here<T: Read>(dump: T) -> impl Read {
    mysql::Reader::new(dump)
}

/// The reader that gives `psql` nothing but SQL, with our key.
pub fn dump_restricted<T: Read>(dump: T, key: &str) -> impl Read {
    Restricted::new(dump, key)
}
