//! From sealed bytes back to plaintext.

use aws_lc_rs::aead::Aad;
use zstd::zstd_safe::DCtx;

use super::{
    DELTA_DEPTH_MAX, SealError, delta,
    keys::{Keys, zero_nonce},
    zip::unzip,
};
use crate::{
    ChunkId, SealedId,
    key::ArchiveKey,
    limits::{CHUNK_BYTES_MAX, OBJECT_BYTES_MAX},
    object::{self, Link, Object, ObjectKind, SALT_BYTES},
};

/// Gives bytes of a base, by both its names.
type Base<'a> = &'a mut dyn FnMut(&ChunkId, &SealedId) -> Result<Vec<u8>, SealError>;

/// Opens the objects of one origin; one per worker thread.
///
/// It opens what has the right [`ChunkId`], whatever sealed it; whether the bytes have the right
/// [`SealedId`] is for the store that read them to check.
pub struct Opener {
    keys: Keys,
    context: DCtx<'static>,
}

impl Opener {
    /// An opener with its own zstd context.
    #[must_use]
    pub fn new(key: &ArchiveKey) -> Self {
        Self { keys: Keys::new(key), context: DCtx::create() }
    }

    /// The plaintext of a chunk. For a delta, `base` is asked once for the *plaintext* of its base;
    /// a wrong answer is noticed. [`Opener::open_chain`] follows bases by itself.
    ///
    /// # Errors
    /// When the bytes are not this chunk, sealed with this key, or `base` fails.
    pub fn open_leaf(
        &mut self,
        id: &ChunkId,
        sealed: &[u8],
        base: Base<'_>,
    ) -> Result<Vec<u8>, SealError> {
        match self.begin_leaf(id, sealed)? {
            Leaf::Plain(plain) => self.checked(id, plain),
            Leaf::Delta { base: chunk, link, frame } => {
                let base_plain = base(&chunk, &link.id)?;
                self.checked(id, delta::unzip_onto(&frame, &base_plain)?)
            }
        }
    }

    /// The plaintext of a chunk; `fetch` is asked for the *sealed bytes* of each base on the way.
    ///
    /// # Errors
    /// As [`Opener::open_leaf`], and when more than [`DELTA_DEPTH_MAX`] bases follow one another.
    pub fn open_chain(
        &mut self,
        id: &ChunkId,
        sealed: &[u8],
        fetch: Base<'_>,
    ) -> Result<Vec<u8>, SealError> {
        let mut deltas = Vec::new();
        let (mut at, mut leaf) = (*id, self.begin_leaf(id, sealed)?);
        let mut plain = loop {
            match leaf {
                Leaf::Plain(plain) => break self.checked(&at, plain)?,
                Leaf::Delta { base, link, frame } => {
                    if deltas.len() == DELTA_DEPTH_MAX {
                        return Err(SealError::TooDeep { chunk: base });
                    }
                    deltas.push((at, frame));
                    leaf = self.begin_leaf(&base, &fetch(&base, &link.id)?)?;
                    at = base;
                }
            }
        };
        while let Some((chunk, frame)) = deltas.pop() {
            plain = self.checked(&chunk, delta::unzip_onto(&frame, &plain)?)?;
        }
        Ok(plain)
    }

    /// The links and the private bytes of a branch.
    ///
    /// # Errors
    /// When the bytes are not this branch, sealed with this key.
    pub fn open_branch(
        &mut self,
        id: &ChunkId,
        sealed: &[u8],
    ) -> Result<(Vec<Link>, Vec<u8>), SealError> {
        let object = object::parse(sealed)?;
        if object.kind != ObjectKind::Branch {
            return Err(SealError::Kind { chunk: *id });
        }
        let payload = self.payload(id, &object)?;
        let plain = if object.zipped {
            unzip(&mut self.context, &payload, "a branch", OBJECT_BYTES_MAX)?
        } else {
            payload
        };
        if self.keys.branch_id(object.header, &plain) != *id {
            return Err(SealError::WrongPlaintext { chunk: *id });
        }
        Ok((object.links, plain))
    }

    fn begin_leaf(&mut self, id: &ChunkId, sealed: &[u8]) -> Result<Leaf, SealError> {
        let object = object::parse(sealed)?;
        if object.kind != ObjectKind::Leaf {
            return Err(SealError::Kind { chunk: *id });
        }
        let payload = self.payload(id, &object)?;
        match object.links.first() {
            Some(&link) => {
                let (base, frame) = payload.split_first_chunk().ok_or(SealError::ZippedLength)?;
                Ok(Leaf::Delta { base: ChunkId(*base), link, frame: frame.to_vec() })
            }
            None if object.zipped => {
                unzip(&mut self.context, &payload, "a chunk", CHUNK_BYTES_MAX).map(Leaf::Plain)
            }
            None => Ok(Leaf::Plain(payload)),
        }
    }

    /// Decrypts. In the clear the salt takes the place of the tag.
    fn payload(&self, id: &ChunkId, object: &Object<'_>) -> Result<Vec<u8>, SealError> {
        let (salt, body) = object.private.split_at(SALT_BYTES);
        let (body, tag) = body.split_at(body.len() - object.seal.tag_bytes());
        let Some(cipher) = self.keys.cipher(object.seal, id, salt) else {
            let zipped = if object.zipped { body } else { &[] };
            let authentic = self.keys.salt(object.header, id, zipped) == salt;
            return if authentic { Ok(body.to_vec()) } else { Err(SealError::Tag { chunk: *id }) };
        };
        let mut payload = vec![0; body.len()];
        cipher
            .open_separate_gather(zero_nonce(), Aad::from(object.header), body, tag, &mut payload)
            .map_err(|_| SealError::Tag { chunk: *id })?;
        Ok(payload)
    }

    fn checked(&self, id: &ChunkId, plain: Vec<u8>) -> Result<Vec<u8>, SealError> {
        if plain.len() > CHUNK_BYTES_MAX || self.keys.chunk_id(&plain) != *id {
            return Err(SealError::WrongPlaintext { chunk: *id });
        }
        Ok(plain)
    }
}

/// A leaf as far as it opens alone.
enum Leaf {
    Plain(Vec<u8>),
    Delta { base: ChunkId, link: Link, frame: Vec<u8> },
}
