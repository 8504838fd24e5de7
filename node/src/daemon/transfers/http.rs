//! One attempt to send an archive by the HTTP contract, from wherever the last one ended.

use std::sync::Arc;

use protocol::control::{Failure, FailureCode, TransferState};

use super::{
    row::{Cut, Row, UploadRow},
    source,
    work::{Trouble, wanted},
};
use crate::{
    daemon::{
        export,
        handle::archive::{self, Opened, hex},
        instances, keeping,
        node::{Node, blocking},
    },
    instances::{Client, ClientError, NewUpload, Upload, part},
    replicate::Cancel,
};

/// The size of parts that is asked for: what 000 uses.
const PART_BYTES: u64 = 50_000_000;

/// The smallest parts that an instance may want.
const PART_BYTES_MIN: u64 = 4 << 10;

/// The largest.
const PART_BYTES_MAX: u64 = 64 << 20;

/// Most parts of one upload.
const PARTS_MAX: u64 = 1_000_000;

/// How often a whole file is sent whose SHA-256 is found to be another at the end.
const MISMATCHES_MAX: u32 = 2;

/// How often an instance may say at the end that parts are missing, and as many of a long list.
const ROUNDS_MIN: u64 = 3;

/// Missing parts that are surely told at once.
const MISSING_TOLD: u64 = 1_000;

struct Sending<'a> {
    node: &'a Arc<Node>,
    id: u64,
    what: String,
    client: Client,
    opened: Arc<Opened>,
    sha256: String,
    total: u64,
    /// Which upload of this transfer it is, from 1.
    begun: u32,
}

/// What an instance says of an upload.
enum Standing {
    /// It is an archive there.
    Complete,
    /// These parts are to be sent, in this order.
    Missing(Vec<u32>),
}

/// Sends what is not there yet, and has it checked.
pub(super) async fn send(node: &Arc<Node>, row: &Row, stop: &Cancel) -> Result<(), Trouble> {
    let name = &row.report.instance;
    let what = format!("cannot transfer archive {} to {name}", row.report.archive);
    let gone = || Trouble::Never(Failure::new(FailureCode::NotFound, &what, "it was removed"));
    let instance = row.instance.and_then(|number| node.instances.numbered(number));
    let instance = instance.ok_or_else(gone)?;
    let client = node.instances.client(&node.secret, instance.number).map_err(Trouble::Never)?;
    let wanted = wanted(row).map_err(Trouble::Never)?;
    let opened = Arc::new(archive::open(node, &wanted).await.map_err(Trouble::here)?);
    let total = opened.reader.stream_bytes();
    let id = row.report.id;
    let sha256 = match &row.report.sha256 {
        Some(sha256) => sha256.clone(),
        None => digest(node, id, &opened, stop, &what).await?,
    };
    let begun = row.begun + u32::from(row.upload.is_none());
    let sending = Sending { node, id, what, client, opened, sha256, total, begun };
    let upload = match &row.upload {
        Some(upload) => upload.clone(),
        None => match sending.begin().await? {
            Some(upload) => upload,
            None => return Ok(()),
        },
    };
    sending.go_on(upload).await
}

/// The SHA-256 of the tar: from its record, or by reading it once, and then the record has it.
pub(super) async fn digest(
    node: &Arc<Node>,
    id: u64,
    opened: &Arc<Opened>,
    stop: &Cancel,
    what: &str,
) -> Result<String, Trouble> {
    let known = opened.archive.meta.as_ref().and_then(|meta| meta.sha256);
    let sha256 = if let Some(known) = known {
        known
    } else {
        note(node, id, |row| row.report.state = TransferState::Preparing).await?;
        let (opened, stop, what) = (Arc::clone(opened), stop.clone(), what.to_owned());
        let found = blocking(move || source::sha256(&opened, &stop, &what)).await;
        found.map_err(Trouble::here)?
    };
    if let Some(sha256) = export::note(node, opened, sha256) {
        let change = keeping::amend(node, &opened.archive, what, |_, meta| {
            meta.sha256 = Some(sha256);
        });
        if let Err(failure) = change.await {
            tracing::warn!(%failure, "the next transfer computes the SHA-256 again");
        }
    }
    let text = hex(&sha256);
    let (noted, total) = (text.clone(), opened.reader.stream_bytes());
    note(node, id, move |row| {
        (row.report.sha256, row.report.bytes_total) = (Some(noted), total);
    })
    .await?;
    Ok(text)
}

/// Changes the row of a transfer.
pub(super) async fn note(
    node: &Arc<Node>,
    id: u64,
    change: impl FnOnce(&mut Row) + Send + 'static,
) -> Result<(), Trouble> {
    let node = Arc::clone(node);
    let noted = blocking(move || node.transfers.change(id, change).map(drop)).await;
    noted.map_err(Trouble::here)
}

impl Sending<'_> {
    fn call(&self, error: &ClientError) -> Trouble {
        Trouble::call(&self.what, error)
    }

    fn lie(&self, why: impl AsRef<str>) -> Trouble {
        self.call(&self.client.lie(why))
    }

    fn cut(&self, part: u64) -> Cut {
        Cut { total: self.total, part }
    }

    /// Begins an upload; none when the archive is there already.
    async fn begin(&self) -> Result<Option<UploadRow>, Trouble> {
        let new = NewUpload {
            filename: format!("{}.tar", self.opened.archive.title()),
            total_bytes: self.total,
            part_bytes: PART_BYTES,
            sha256: self.sha256.clone(),
        };
        let begun = match self.client.upload_start(&new).await {
            Ok(begun) => begun,
            Err(error) if error.status() == Some(409) && self.is_there().await => return Ok(None),
            Err(error) => return Err(self.call(&error)),
        };
        let part_bytes = begun.part_bytes.unwrap_or(PART_BYTES);
        if !(PART_BYTES_MIN..=PART_BYTES_MAX).contains(&part_bytes)
            || self.cut(part_bytes).parts() > PARTS_MAX
        {
            return Err(self.lie(format!("it wants parts of {part_bytes} bytes")));
        }
        self.same(&begun)?;
        let Some(id) = begun.id else { return Err(self.lie("it began an upload without an id")) };
        let upload = UploadRow { id, part_bytes, next: 0 };
        let noted = upload.clone();
        note(self.node, self.id, move |row| {
            (row.upload, row.begun, row.report.bytes_done) = (Some(noted), row.begun + 1, 0);
        })
        .await?;
        Ok(Some(upload))
    }

    async fn go_on(&self, mut upload: UploadRow) -> Result<(), Trouble> {
        note(self.node, self.id, |row| row.report.state = TransferState::Sending).await?;
        let rounds = ROUNDS_MIN + self.cut(upload.part_bytes).parts() / MISSING_TOLD;
        for _ in 0..rounds {
            match self.standing(&upload).await? {
                Standing::Complete => return Ok(()),
                Standing::Missing(parts) => self.parts(&mut upload, &parts).await?,
            }
            if self.finish(&mut upload).await? {
                return Ok(());
            }
        }
        let why = "it says again and again that parts are missing";
        let failure = Failure::new(FailureCode::Conflict, &self.what, why);
        Err(Trouble::Anew(failure))
    }

    /// What is missing, by the instance or, where it cannot be asked, by what it acknowledged.
    async fn standing(&self, upload: &UploadRow) -> Result<Standing, Trouble> {
        let parts = u32::try_from(self.cut(upload.part_bytes).parts()).unwrap_or(u32::MAX);
        let own = || Standing::Missing((upload.next..parts).collect());
        let told = match self.client.upload_show(&upload.id).await {
            Ok(told) => told,
            Err(error) if matches!(error.status(), Some(404 | 405)) => return Ok(own()),
            Err(error) => return Err(self.call(&error)),
        };
        self.same(&told)?;
        match (told.status.as_deref(), told.missing) {
            (Some("complete"), _) => Ok(Standing::Complete),
            (Some("error"), _) => {
                let why = "the instance refused the upload";
                Err(Trouble::Anew(Failure::new(FailureCode::Conflict, &self.what, why)))
            }
            (_, Some(missing)) => match missing.iter().find(|part| **part >= parts) {
                Some(part) => Err(self.lie(format!("it misses part {part} of {parts}"))),
                None => Ok(Standing::Missing(missing)),
            },
            (_, None) => Ok(own()),
        }
    }

    async fn parts(&self, upload: &mut UploadRow, parts: &[u32]) -> Result<(), Trouble> {
        let cut = self.cut(upload.part_bytes);
        let mut left = cut.bytes_of(parts);
        let start = self.total.saturating_sub(left);
        note(self.node, self.id, move |row| row.report.bytes_done = start).await?;
        for &part in parts {
            let (from, to) = cut.span(part);
            self.part(upload, part, (from, to)).await?;
            left = left.saturating_sub(to - from);
            if part == upload.next {
                upload.next += 1;
            }
            let (noted, done) = (upload.clone(), self.total.saturating_sub(left));
            note(self.node, self.id, move |row| {
                (row.upload, row.report.bytes_done) = (Some(noted), done);
                (row.report.failures, row.report.failure) = (0, None);
            })
            .await?;
        }
        Ok(())
    }

    async fn part(
        &self,
        upload: &UploadRow,
        number: u32,
        (from, to): (u64, u64),
    ) -> Result<(), Trouble> {
        let (feed, body) = part(to - from);
        let (opened, what) = (Arc::clone(&self.opened), self.what.clone());
        let fed = blocking(move || source::feed(&opened, (from, to), &feed, &what));
        // The two go on together; the one that sends ends the other when it has to.
        let sent = self.client.upload_part(&upload.id, number, body);
        let (fed, sent) = tokio::join!(fed, sent);
        fed.map_err(Trouble::here)?;
        match sent {
            Ok(()) => Ok(()),
            Err(error) if error.status() == Some(404) => {
                Err(Trouble::Anew(instances::failed(&self.what, &error)))
            }
            Err(error) => Err(self.call(&error)),
        }
    }

    /// Has it checked; false when parts are missing.
    async fn finish(&self, upload: &mut UploadRow) -> Result<bool, Trouble> {
        note(self.node, self.id, |row| row.report.state = TransferState::Finishing).await?;
        let error = match self.client.upload_finish(&upload.id).await {
            Ok(taken) => return self.same(&taken).map(|()| true),
            Err(error) => error,
        };
        let failure = instances::failed(&self.what, &error);
        match error.status() {
            Some(409) => {
                // Who cannot say what is missing gets everything again.
                upload.next = 0;
                Ok(false)
            }
            Some(404 | 410) if self.is_there().await => Ok(true),
            Some(422) if self.begun >= MISMATCHES_MAX => Err(Trouble::Never(failure)),
            Some(404 | 410 | 422) => Err(Trouble::Anew(failure)),
            _ => Err(self.call(&error)),
        }
    }

    /// Refuses an answer that speaks of another file.
    fn same(&self, told: &Upload) -> Result<(), Trouble> {
        if told.total_bytes.is_some_and(|bytes| bytes != self.total) {
            return Err(self.lie(format!("the file has {} bytes, not what it says", self.total)));
        }
        if told.sha256.as_ref().is_some_and(|sha256| *sha256 != self.sha256) {
            return Err(self.lie("it has another SHA-256 than the file"));
        }
        Ok(())
    }

    /// Whether the instance has this very archive.
    async fn is_there(&self) -> bool {
        let Ok(archives) = self.client.archives().await else { return false };
        let title = self.opened.archive.title();
        archives.iter().filter(|archive| archive.name == title).any(|archive| {
            match &archive.sha256 {
                Some(sha256) => *sha256 == self.sha256,
                None => archive.size_bytes == Some(self.total),
            }
        })
    }
}
