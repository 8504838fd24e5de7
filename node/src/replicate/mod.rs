//! Moving sealed objects between nodes: giving them to requesters, fetching them from holders.
//!
//! What is fetched, from whom and in which order, is decided by [`protocol::fetch::Session`]; here
//! bytes are carried. [`serve`] answers one requester on one stream. A [`Fetcher`] gets the closure
//! of a root into a store from several holders at once, and says that it is done only when
//! everything is durable. [`fetch_ordered`] gets objects one after another for a restore, from the
//! store or from holders, without storing them.
//!
//! Nothing here knows libp2p: a stream is anything that reads and writes bytes, and a [`Dialer`]
//! opens one. Nothing knows the chunk store either: see [`ObjectStore`]. Calls into the store and
//! the hashing of what came run on blocking threads, behind queues that are bounded in bytes.

mod cancel;
mod connection;
mod drive;
mod error;
mod event;
mod fetcher;
mod handshake;
mod intake;
mod ordered;
mod peers;
mod serve;
mod store;
mod stream;
mod throttle;

#[cfg(test)]
mod tests;

pub use cancel::Cancel;
pub use error::{FetchError, HolderFault, Lie};
pub use fetcher::{FetchOptions, FetchReport, Fetcher, HolderReport};
pub use ordered::{Ordered, fetch_ordered};
pub use serve::{ServeError, ServeOptions, ServeReport, serve};
pub use store::{ObjectStore, StoreFault, Unreadable};
pub use stream::{ByteStream, Dialer, StreamError};
pub use throttle::Throttle;
