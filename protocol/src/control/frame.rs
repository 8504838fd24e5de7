//! The frames of a control socket: a length of four bytes, big-endian, and one CBOR value.
//!
//! A connection carries one request. The caller sends [`AskFrame::Request`] and perhaps
//! [`AskFrame::Cancel`]; the node sends events and then one end. Members speak the same to each
//! other over a stream, without [`AskFrame::Of`], and with [`TellFrame::Alive`].

use serde::{Deserialize, Serialize};

use super::{Event, Failure, NodeRef, Reply, Request};

/// The largest frame either side may send, bytes: a full page of members with long names fits.
pub const CONTROL_FRAME_BYTES_MAX: usize = 8 << 20;

/// The largest frame a caller may send, bytes: a job with all its excludes at their longest fits.
pub const REQUEST_BYTES_MAX: usize = 2 << 20;

/// The longest text of an event, bytes; the rest is cut off.
pub const EVENT_BYTES_MAX: usize = 16 << 10;

/// From the caller.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AskFrame {
    /// What is asked.
    Request(Box<Request>),
    /// What is asked of another member, to which the daemon passes it on. A frame holds one request
    /// and no frame, so that nothing is passed on twice.
    Of {
        /// Which member.
        node: NodeRef,
        /// What is asked of it.
        request: Box<Request>,
    },
    /// Stop, and answer with what there is.
    Cancel,
}

/// What is asked, and of whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Another member; none for the node that hears it.
    pub of: Option<NodeRef>,
    /// What it is.
    pub request: Request,
}

impl From<Request> for Asked {
    fn from(request: Request) -> Self {
        Self { of: None, request }
    }
}

impl From<Asked> for AskFrame {
    fn from(Asked { of, request }: Asked) -> Self {
        let request = Box::new(request);
        match of {
            None => Self::Request(request),
            Some(node) => Self::Of { node, request },
        }
    }
}

impl AskFrame {
    /// What it asks; none for [`AskFrame::Cancel`].
    #[must_use]
    pub fn asked(self) -> Option<Asked> {
        match self {
            Self::Request(request) => Some((*request).into()),
            Self::Of { node, request } => Some(Asked { of: Some(node), request: *request }),
            Self::Cancel => None,
        }
    }
}

/// From the node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TellFrame {
    /// While it is at work.
    Event(Event),
    /// It is still at work and has nothing to tell.
    Alive,
    /// The last frame.
    End(EndFrame),
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndFrame {
    /// It was carried out.
    Reply(Box<Reply>),
    /// It was not.
    Failure(Failure),
}

impl From<Result<Reply, Failure>> for EndFrame {
    fn from(result: Result<Reply, Failure>) -> Self {
        match result {
            Ok(reply) => Self::Reply(Box::new(reply)),
            Err(failure) => Self::Failure(failure),
        }
    }
}

impl From<EndFrame> for Result<Reply, Failure> {
    fn from(end: EndFrame) -> Self {
        match end {
            EndFrame::Reply(reply) => Ok(*reply),
            EndFrame::Failure(failure) => Err(failure),
        }
    }
}
