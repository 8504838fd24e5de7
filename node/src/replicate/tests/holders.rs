//! Holders of every kind, and the dialer that reaches them.

use std::{
    collections::BTreeMap,
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
};

use protocol::{Entropy, NodeId, entropy::SeededEntropy, object::Link};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex, split};

use super::store::MemoryStore;
use crate::replicate::{Dialer, ServeOptions, serve};

/// What a pipe between two nodes holds.
const PIPE_BYTES: usize = 64 << 10;

/// A holder: whoever opens a stream gets the other end of what this is given.
type Holder = Box<dyn Fn(DuplexStream) + Send + Sync>;

#[derive(Default)]
pub(super) struct Network {
    holders: BTreeMap<NodeId, Holder>,
    pub(super) opened: AtomicU32,
}

pub(super) fn node(n: u8) -> NodeId {
    NodeId([n; 32])
}

impl Network {
    pub(super) fn with(
        mut self,
        n: u8,
        holder: impl Fn(DuplexStream) + Send + Sync + 'static,
    ) -> Self {
        self.holders.insert(node(n), Box::new(holder));
        self
    }

    pub(super) fn nodes(&self) -> Vec<NodeId> {
        self.holders.keys().copied().collect()
    }

    pub(super) fn opened(&self) -> u32 {
        self.opened.load(Ordering::Relaxed)
    }
}

impl Dialer for Network {
    type Stream = DuplexStream;

    async fn open(&self, holder: NodeId) -> io::Result<DuplexStream> {
        let Some(holder) = self.holders.get(&holder) else {
            return Err(io::ErrorKind::ConnectionRefused.into());
        };
        self.opened.fetch_add(1, Ordering::Relaxed);
        let (here, there) = duplex(PIPE_BYTES);
        holder(there);
        Ok(here)
    }
}

/// Serves what is in the store.
pub(super) fn honest(store: Arc<MemoryStore>) -> impl Fn(DuplexStream) + Send + Sync {
    move |stream| {
        tokio::spawn(serve(stream, Arc::clone(&store), |_| true, ServeOptions::default()));
    }
}

/// Serves, over a connection that is cut after a random number of bytes below `bytes_max`.
pub(super) fn cut_off(
    seed: u64,
    bytes_max: u64,
    store: Arc<MemoryStore>,
) -> impl Fn(DuplexStream) + Send + Sync {
    let random = Mutex::new(SeededEntropy::new(seed));
    let serve = honest(store);
    move |stream| {
        let lasts = u64::from_le_bytes(random.lock().unwrap().array()) % bytes_max;
        let (here, there) = duplex(PIPE_BYTES);
        serve(there);
        tokio::spawn(async move {
            let ((mut from_requester, mut to_requester), (from_holder, mut to_holder)) =
                (split(stream), split(here));
            let mut limited = from_holder.take(lasts);
            tokio::select! {
                _ = tokio::io::copy(&mut from_requester, &mut to_holder) => {}
                _ = tokio::io::copy(&mut limited, &mut to_requester) => {}
            }
        });
    }
}

/// Says welcome, reads the first want-list, and answers it with these bytes, for ever if it likes.
pub(super) fn scripted(
    answer: impl Fn(&[Link]) -> Vec<u8> + Send + Sync + 'static,
    then_stays: bool,
) -> impl Fn(DuplexStream) + Send + Sync {
    use protocol::fetch::wire::{Frame, HEADER_BYTES, Header};
    let answer = Arc::new(answer);
    move |mut stream| {
        let answer = Arc::clone(&answer);
        tokio::spawn(async move {
            let mut hello = [0; HEADER_BYTES + 7];
            stream.read_exact(&mut hello).await?;
            stream.write_all(&Frame::Welcome { version: 1 }.encode()).await?;
            let mut head = [0; HEADER_BYTES];
            stream.read_exact(&mut head).await?;
            let header = Header::decode(&head).unwrap();
            let mut body = vec![0; header.bytes];
            stream.read_exact(&mut body).await?;
            if let Ok(Frame::Want(links)) = Frame::decode(header.kind, &body) {
                stream.write_all(&answer(&links)).await?;
                stream.flush().await?;
            }
            while then_stays && stream.read(&mut body).await? > 0 {}
            io::Result::Ok(())
        });
    }
}
