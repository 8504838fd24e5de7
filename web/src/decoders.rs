//! Doors to parsers that are nobody else's business, for the tests that feed them foreign bytes.
//! Nothing else uses them, and they are no interface.

use std::collections::VecDeque;

pub use crate::v1::FormError;
use crate::v1::{Multipart, boundary};

/// The file of a form, whose bytes come in pieces of a size, and whose Content-Type says a boundary.
///
/// # Errors
/// When it is no form with one file, or the type says no boundary.
pub fn form(kind: &str, bytes: &[u8], piece: usize) -> Result<Vec<u8>, FormError> {
    let boundary = boundary(kind).ok_or(FormError::Malformed)?;
    let (mut form, mut file) = (Multipart::new(&boundary), VecDeque::new());
    for piece in bytes.chunks(piece.max(1)) {
        form.push(piece, &mut file)?;
    }
    form.finish()?;
    Ok(Vec::from(file).concat())
}
