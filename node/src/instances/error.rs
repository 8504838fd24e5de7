//! What can go wrong with an instance, and whether trying again may help.

use std::{io, time::Duration};

/// A call that was not answered as it should be. No variant holds the key, also when the instance
/// repeated it.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// This machine has no certificates that it trusts, or the TLS library refuses.
    #[error("this machine cannot make encrypted connections: {why}")]
    Tls {
        /// Why.
        why: String,
    },
    /// Nobody answers there.
    #[error("cannot connect to {host}")]
    Connect {
        /// Host and port.
        host: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Its certificate is not trusted, or not the pinned one.
    #[error("the connection to {host} cannot be trusted")]
    Handshake {
        /// Host and port.
        host: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It took too long.
    #[error("{host} did not {what} within {} s", .after.as_secs())]
    Slow {
        /// Host and port.
        host: String,
        /// What it should have done.
        what: &'static str,
        /// How long was waited.
        after: Duration,
    },
    /// The connection broke, or what came is no HTTP.
    #[error("the connection to {host} broke")]
    Broken {
        /// Host and port.
        host: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It sends its callers somewhere else.
    #[error("{host} redirects to {to:?}, which is not followed")]
    Redirect {
        /// Host and port.
        host: String,
        /// Where to, cut.
        to: String,
    },
    /// It refused.
    #[error("{host} answered {status}{}", said(.code.as_ref(), .message.as_ref()))]
    Status {
        /// Host and port.
        host: String,
        /// The HTTP status.
        status: u16,
        /// Its word for the error, cut.
        code: Option<String>,
        /// What it said, cut.
        message: Option<String>,
    },
    /// It does not know the key.
    #[error("{host} does not accept the key")]
    Key {
        /// Host and port.
        host: String,
    },
    /// More than any honest answer.
    #[error("the answer of {host} is larger than {bytes_max} bytes")]
    TooLarge {
        /// Host and port.
        host: String,
        /// The bound.
        bytes_max: usize,
    },
    /// Not the JSON that the contract says.
    #[error("{host} answered {call} with something that is not of the contract: {why}")]
    Malformed {
        /// Host and port.
        host: String,
        /// Which call.
        call: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// Of the contract, and not what was asked or sent.
    #[error("{host} contradicts what it was told: {why}")]
    Lie {
        /// Host and port.
        host: String,
        /// In what.
        why: String,
    },
}

fn said(code: Option<&String>, message: Option<&String>) -> String {
    match (code, message) {
        (Some(code), Some(message)) => format!(" ({code}): {message}"),
        (Some(text), None) | (None, Some(text)) => format!(": {text}"),
        (None, None) => String::new(),
    }
}

/// Whether trying again may help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// After a while.
    Later,
    /// Not without somebody who changes something.
    Never,
}

impl ClientError {
    /// Whether trying again may help.
    #[must_use]
    pub fn retry(&self) -> Retry {
        match self {
            Self::Connect { .. } | Self::Slow { .. } | Self::Broken { .. } => Retry::Later,
            // A certificate is renewed, a proxy shows its own page while the instance restarts.
            Self::Handshake { .. } | Self::Redirect { .. } => Retry::Later,
            Self::TooLarge { .. } | Self::Malformed { .. } => Retry::Later,
            Self::Status { status, .. } => match status {
                408 | 423 | 425 | 429 | 500.. => Retry::Later,
                _ => Retry::Never,
            },
            Self::Tls { .. } | Self::Key { .. } | Self::Lie { .. } => Retry::Never,
        }
    }

    /// The status it answered with, when it answered.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Status { status, .. } => Some(*status),
            Self::Key { .. } => Some(401),
            _ => None,
        }
    }

    /// Whether nobody answered at all.
    #[must_use]
    pub fn is_offline(&self) -> bool {
        matches!(self, Self::Connect { .. } | Self::Slow { .. } | Self::Broken { .. })
    }

    /// What a person can do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Tls { .. } => "install ca-certificates, or pin the instance's certificate",
            Self::Connect { .. } | Self::Slow { .. } | Self::Broken { .. } => {
                "see whether the instance runs and can be reached from here"
            }
            Self::Handshake { .. } => {
                "see whether the address is right; a certificate that no authority signed can be \
                 pinned by its SHA-256"
            }
            Self::Redirect { .. } => {
                "give the address at which the instance itself answers; its /api must be open to \
                 visitors"
            }
            Self::Key { .. } => "make a new key there, remove the instance here and add it again",
            Self::Status { .. } => "its own log says more",
            Self::TooLarge { .. } | Self::Malformed { .. } | Self::Lie { .. } => {
                "see whether the address is that of an instance, and which program answers there"
            }
        }
    }
}
