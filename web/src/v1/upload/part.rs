//! The body of a part, as a stream of its bytes.

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

use axum::{
    body::BodyDataStream,
    extract::Request,
    http::{HeaderMap, header},
};
use bytes::Bytes;
use futures_core::Stream;

use super::multipart::{Multipart, boundary};
use crate::{ApiError, PartBody, take};

/// A part that comes.
pub(super) struct Part {
    /// How many bytes it has, where the request says so.
    pub(super) bytes: Option<u64>,
    /// They.
    pub(super) body: PartBody,
    /// Whether its client stopped sending.
    pub(super) stalled: Stall,
}

/// Whether a client stopped sending; known once the body has failed.
#[derive(Clone, Default)]
pub(super) struct Stall(Arc<AtomicBool>);

impl Stall {
    pub(super) fn was(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Takes a request's body: the file of a form where it is one, and the body itself otherwise.
pub(super) fn read(request: Request) -> Result<Part, ApiError> {
    let (parts, body) = request.into_parts();
    let stalled = Stall::default();
    let raw = Raw { body: body.into_data_stream(), stalled: stalled.clone() };
    let form = text(&parts.headers, &header::CONTENT_TYPE).filter(|kind| is_form(kind));
    let Some(kind) = form else {
        let bytes = text(&parts.headers, &header::CONTENT_LENGTH);
        let bytes = bytes.and_then(|bytes| bytes.parse().ok());
        return Ok(Part { bytes, body: Box::pin(raw), stalled });
    };
    let boundary = boundary(kind)
        .ok_or_else(|| ApiError::invalid("the Content-Type of the form says no boundary"))?;
    let form = Form { raw, form: Multipart::new(&boundary), ready: VecDeque::new(), over: false };
    Ok(Part { bytes: None, body: Box::pin(form), stalled })
}

fn text<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn is_form(kind: &str) -> bool {
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("multipart/form-data")
}

/// The body as it is.
struct Raw {
    body: BodyDataStream,
    stalled: Stall,
}

impl Stream for Raw {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = ready!(Pin::new(&mut self.body).poll_next(cx));
        Poll::Ready(next.map(|bytes| {
            bytes.map_err(|error| {
                self.stalled.0.fetch_or(take::stalled(&error), Ordering::Relaxed);
                io::Error::new(io::ErrorKind::UnexpectedEof, error)
            })
        }))
    }
}

/// The file of a form.
struct Form {
    raw: Raw,
    form: Multipart,
    ready: VecDeque<Bytes>,
    over: bool,
}

impl Stream for Form {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            if let Some(bytes) = this.ready.pop_front() {
                return Poll::Ready(Some(Ok(bytes)));
            }
            if this.over {
                return Poll::Ready(None);
            }
            let malformed = |error| io::Error::new(io::ErrorKind::InvalidData, error);
            let pushed = match ready!(Pin::new(&mut this.raw).poll_next(cx)) {
                Some(Ok(bytes)) => this.form.push(&bytes, &mut this.ready).map_err(malformed),
                Some(Err(error)) => Err(error),
                None => {
                    this.over = true;
                    this.form.finish().map_err(malformed)
                }
            };
            if let Err(error) = pushed {
                this.over = true;
                this.ready.clear();
                return Poll::Ready(Some(Err(error)));
            }
        }
    }
}
