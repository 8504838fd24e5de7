//! Orders: one node asks another to do one thing once, before a deadline.
//!
//! An order is a record, so it travels by whatever way is open. The addressed node decides by what
//! it knows itself: the issuer is a member now, has the right that the request needs, and the
//! deadline has not passed by the executing node's clock. Who relayed it does not matter.
//!
//! Members that relay it do not read it: what is ordered, and what came of it, are [letters](Letter)
//! for the issuer and the addressed node. Each is bound to the order's issuer, addressee and id, so
//! nobody can issue the text of somebody else's order again under a name or number of their own.
//!
//! At most once: before anything is done, the node writes a result that says [`Progress::Begun`],
//! durably. A crash between that and the end leaves `Begun`; after the next start it becomes
//! [`Progress::Interrupted`] and is not repeated. Whoever issued it may issue a new one. A node that
//! was put back from an old copy of its disk may have forgotten results, so it executes nothing
//! until a peer has given it what it holds of the node's own feed. If it meets only peers that have
//! the order but not yet the result, it can still happen twice: nobody it can reach knows better.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    Entropy, NodeId, OrderId,
    catalog::{Catalog, DueOrder, Refusal},
    cbor::{self, CborError},
    control::{Denied, Failure, ORDER_TEXT_BYTES_MAX, Request, may_ask},
    key::{ExchangePublic, Letter, LetterError, NodeSecret},
    record::Progress,
};

/// Reads what an order asks for; `None` when it cannot be read, or is none that can be ordered.
pub type ReadOrder = Box<dyn Fn(&DueOrder) -> Option<Request> + Send>;

/// The largest letter of an order or its answer, bytes: with the rest it must fit a record.
pub const ORDER_BYTES_MAX: usize = 48 << 10;

/// The version that what is in a letter begins with.
const VERSION: u16 = 1;

const REQUEST_ABOUT: &[u8] = b"backupmanager order v1\0";
const ANSWER_ABOUT: &[u8] = b"backupmanager order answer v1\0";

/// Which order of whom for whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Which {
    /// Who issued it.
    pub issuer: NodeId,
    /// Who is to do it.
    pub to: NodeId,
    /// Its id, unique per issuer.
    pub id: OrderId,
}

/// What came of an order, for its issuer. The whole reply stays where it was given: it may name
/// what is nobody else's business, and a record is small.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// For people.
    pub text: String,
    /// Why it was not done.
    pub failure: Option<Failure>,
}

/// The text of an order or an answer that cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// It does not fit a record.
    #[error("what is ordered has {bytes} bytes, at most {ORDER_BYTES_MAX} are allowed")]
    TooLarge {
        /// Its size when sealed.
        bytes: usize,
    },
    /// It is for others, or damaged.
    #[error("the letter cannot be opened")]
    Letter(#[source] LetterError),
    /// Not of the expected shape.
    #[error("the text of the letter is not as it must be")]
    Malformed(#[source] CborError),
    /// From a newer program.
    #[error("the text of the letter is of version {0}, which this program does not know")]
    Version(u16),
}

impl Which {
    fn about(&self, what: &[u8]) -> Vec<u8> {
        [what, &self.issuer.0, &self.to.0, &self.id.0].concat()
    }

    /// Seals what is ordered.
    ///
    /// # Errors
    /// When it is too large.
    pub fn seal_request(
        &self,
        request: &Request,
        readers: &[ExchangePublic; 2],
        entropy: &mut impl Entropy,
    ) -> Result<Vec<u8>, OrderError> {
        let text = zeroize::Zeroizing::new(cbor::encode(&(VERSION, request)));
        seal(&text, &self.about(REQUEST_ABOUT), readers, entropy)
    }

    /// Reads what is ordered.
    ///
    /// # Errors
    /// When it is not for `reader`, or not of this version.
    pub fn open_request(&self, sealed: &[u8], reader: &NodeSecret) -> Result<Request, OrderError> {
        open(sealed, &self.about(REQUEST_ABOUT), reader)
    }

    /// Seals what came of it. Texts that are too long are cut.
    ///
    /// # Errors
    /// When it is too large all the same.
    pub fn seal_answer(
        &self,
        mut answer: Answer,
        readers: &[ExchangePublic; 2],
        entropy: &mut impl Entropy,
    ) -> Result<Vec<u8>, OrderError> {
        cut(&mut answer.text);
        if let Some(failure) = &mut answer.failure {
            cut(&mut failure.what);
            cut(&mut failure.why);
            failure.hint.iter_mut().for_each(cut);
        }
        let text = cbor::encode(&(VERSION, answer));
        seal(&text, &self.about(ANSWER_ABOUT), readers, entropy)
    }

    /// Reads what came of it.
    ///
    /// # Errors
    /// When it is not for `reader`, or not of this version.
    pub fn open_answer(&self, sealed: &[u8], reader: &NodeSecret) -> Result<Answer, OrderError> {
        let mut answer: Answer = open(sealed, &self.about(ANSWER_ABOUT), reader)?;
        cut(&mut answer.text);
        Ok(answer)
    }
}

fn cut(text: &mut String) {
    text.truncate(text.floor_char_boundary(ORDER_TEXT_BYTES_MAX));
}

fn seal(
    text: &[u8],
    about: &[u8],
    readers: &[ExchangePublic],
    entropy: &mut impl Entropy,
) -> Result<Vec<u8>, OrderError> {
    let bytes = Letter::seal(text, about, readers, entropy).to_bytes();
    if bytes.len() > ORDER_BYTES_MAX {
        return Err(OrderError::TooLarge { bytes: bytes.len() });
    }
    Ok(bytes)
}

fn open<T: DeserializeOwned>(
    sealed: &[u8],
    about: &[u8],
    reader: &NodeSecret,
) -> Result<T, OrderError> {
    let text = Letter::open(sealed, about, reader).map_err(OrderError::Letter)?;
    let (version, said): (u16, T) = cbor::decode("the text of a letter", &text, ORDER_BYTES_MAX)
        .map_err(OrderError::Malformed)?;
    if version == VERSION { Ok(said) } else { Err(OrderError::Version(version)) }
}

/// What an order asks of the node with this secret: none when it cannot be read there, breaks a
/// bound, or is not to be ordered.
#[must_use]
pub fn read(due: &DueOrder, secret: &NodeSecret) -> Option<Request> {
    let which = Which { issuer: due.issuer, to: secret.id(), id: due.id };
    let request = which.open_request(&due.order.request, secret).ok()?;
    request.order_word()?;
    request.validate().ok()?;
    Some(request)
}

/// Whether a node shall execute an order.
///
/// # Errors
/// When the issuer may not ask for this there, or the request cannot be read.
pub fn judge(
    catalog: &Catalog,
    me: NodeId,
    due: &DueOrder,
    read: &ReadOrder,
) -> Result<(), Denied> {
    let unreadable = Refusal::Unreadable { who: due.issuer };
    let request = read(due).ok_or(unreadable)?;
    may_ask(catalog, &me, &due.issuer, &request)
}

/// Orders that a node has begun, by its own word.
pub fn begun(catalog: &Catalog, me: NodeId) -> impl Iterator<Item = (NodeId, OrderId)> {
    let results = catalog.tables().results.iter();
    results.filter_map(move |(order, by)| {
        by.get(&me).filter(|outcome| outcome.progress == Progress::Begun).map(|_| *order)
    })
}

#[cfg(test)]
mod tests;
