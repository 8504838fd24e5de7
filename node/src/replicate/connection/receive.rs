//! The reading half of a connection: answers, in the order of what was asked.

use std::{collections::VecDeque, time::Duration};

use protocol::{
    NodeId, SealedId,
    fetch::wire::{Frame, Header, Kind, OBJECT_ID_BYTES},
    object::Link,
};
use tokio::{
    io::AsyncRead,
    sync::OwnedSemaphorePermit,
    time::{Instant, timeout},
};

use super::{Ended, News, Owed, Shared, ended_by};
use crate::replicate::{Lie, StreamError, intake::Received, stream::FrameReader};

/// How often the session hears that bytes move.
const MOVING_EVERY: Duration = Duration::from_secs(5);

pub(super) struct Receiver<'a, R> {
    reader: &'a mut FrameReader<R>,
    owed: &'a Owed,
    holder: NodeId,
    shared: &'a Shared,
    /// When the session last heard of this connection.
    told: Instant,
}

impl<'a, R: AsyncRead + Unpin> Receiver<'a, R> {
    pub(super) fn new(
        reader: &'a mut FrameReader<R>,
        owed: &'a Owed,
        holder: NodeId,
        shared: &'a Shared,
    ) -> Self {
        Self { reader, owed, holder, shared, told: Instant::now() }
    }

    /// Reads answers until the connection ends.
    pub(super) async fn run(&mut self) -> Ended {
        loop {
            match self.answer().await {
                Ok(()) => {}
                Err(ended) => return ended,
            }
        }
    }

    async fn answer(&mut self) -> Result<(), Ended> {
        if !self.ready().await.map_err(ended_by)? {
            return Err(Ended::HungUp);
        }
        let header = self.reader.header().await.map_err(ended_by)?;
        if header.kind == Kind::Object {
            return self.object(header).await;
        }
        match self.reader.body(header).await.map_err(ended_by)? {
            Frame::Absent(id) => {
                self.next_owed(id)?;
                self.tell(News::Absent(id)).await
            }
            Frame::Alive => Ok(()),
            Frame::Bye => Err(Ended::HungUp),
            Frame::Error { code, text } => Err(Ended::Broken(StreamError::Told { code, text })),
            _ => Err(ended_by(StreamError::Unexpected { kind: header.kind })),
        }
    }

    /// Waits for an answer: with patience while one is owed, for ever while none is.
    async fn ready(&mut self) -> Result<bool, StreamError> {
        loop {
            if self.owed.with(|owed| !owed.is_empty()) {
                return self.reader.soon().await;
            }
            self.reader.content();
            // Now and then, to see whether something has come to be owed.
            if let Ok(ready) = timeout(MOVING_EVERY, self.reader.ready()).await {
                return Ok(ready?);
            }
        }
    }

    /// Takes what is owed next, which this must be.
    fn next_owed(&self, id: SealedId) -> Result<Link, Ended> {
        let next = self.owed.with(VecDeque::pop_front);
        next.filter(|link| link.id == id).ok_or(Ended::Lied(Lie::NotAsked { id }))
    }

    async fn object(&mut self, header: Header) -> Result<(), Ended> {
        let id = self.reader.object_id().await.map_err(ended_by)?;
        let link = self.next_owed(id)?;
        let (bytes, bytes_wanted) = (header.bytes - OBJECT_ID_BYTES, link.bytes as usize);
        if bytes != bytes_wanted {
            return Err(Ended::Lied(Lie::WrongLength { id, bytes, bytes_wanted }));
        }
        let room = self.room(link.bytes).await?;
        let mut bytes = Vec::with_capacity(bytes_wanted);
        while bytes.len() < bytes_wanted {
            let step = self.reader.some(&mut bytes, bytes_wanted).await.map_err(ended_by)?;
            if let Some(throttle) = &self.shared.throttle {
                throttle.pass(step).await;
            }
            self.tell_moving().await?;
        }
        self.tell(News::Received(id)).await?;
        let received = Received { from: self.holder, link, bytes, room };
        if self.shared.intake.submit(received).await { Ok(()) } else { Err(Ended::Dropped) }
    }

    /// Waits for room; it is not the holder who is slow meanwhile.
    async fn room(&mut self, bytes: u32) -> Result<OwnedSemaphorePermit, Ended> {
        let intake = self.shared.intake.clone();
        let mut room = std::pin::pin!(intake.room(bytes));
        loop {
            match timeout(MOVING_EVERY, &mut room).await {
                Ok(room) => return room.ok_or(Ended::Dropped),
                Err(_) => self.tell_moving().await?,
            }
        }
    }

    async fn tell_moving(&mut self) -> Result<(), Ended> {
        if self.told.elapsed() < MOVING_EVERY {
            return Ok(());
        }
        self.tell(News::Moving).await
    }

    async fn tell(&mut self, news: News) -> Result<(), Ended> {
        self.told = Instant::now();
        if self.shared.tell(self.holder, news).await { Ok(()) } else { Err(Ended::Dropped) }
    }
}
