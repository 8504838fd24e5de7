//! What the HTTP interface needs of the daemon: the one door between this crate and the node.

use std::{io, pin::Pin, sync::Arc};

use bytes::Bytes;
use futures_core::Stream;
use protocol::control::{ApiKey, Event, Failure, Reply, Request, UploadReport};

/// Something that will be there.
pub type Later<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Where a request tells what it is at. It must not block.
pub type Tell = Arc<dyn Fn(Event) + Send + Sync>;

/// The bytes of one part as they come. Its errors are the client's or the network's.
pub type PartBody = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

/// Whose key it was. Everything asked for a client carries it; the node decides what it may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// The key's first digits, for logs.
    pub key: Arc<str>,
    /// It may look and change nothing.
    pub read_only: bool,
}

/// The daemon.
pub trait Backend: Send + Sync + 'static {
    /// Carries a request out, which has been validated. It goes on when the future is dropped,
    /// unless the request [ends with its caller](Request::ends_with_its_caller).
    fn ask(
        &self,
        access: Access,
        request: Request,
        tell: Option<Tell>,
    ) -> Later<Result<Reply, Failure>>;

    /// Whose key this is; none for a key that is not taken. Slow on purpose, also for wrong ones.
    fn key(&self, key: ApiKey) -> Later<Option<Access>>;

    /// Changes whenever keys were made or revoked: what was remembered of them is void then.
    fn keys_epoch(&self) -> u64;

    /// Takes one part of an upload. `bytes` is how many the client says it has.
    fn put_part(
        &self,
        access: Access,
        upload: String,
        number: u32,
        bytes: Option<u64>,
        body: PartBody,
    ) -> Later<Result<UploadReport, Failure>>;
}
