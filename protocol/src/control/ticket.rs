//! The text that lets one node in. It is a secret until it is used.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

/// The longest ticket, bytes: some dozen addresses fit.
pub const TICKET_BYTES_MAX: usize = 4_096;

/// A ticket's text. `Debug` prints `…`; only [`Ticket::reveal`] gives it out.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Ticket(String);

/// A text that cannot be a ticket. It does not repeat the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a ticket is one line of 1 to {TICKET_BYTES_MAX} printable characters without spaces")]
pub struct TicketError;

impl Ticket {
    /// The text, for the one place that prints or decodes it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Ticket {
    type Error = TicketError;

    fn try_from(mut text: String) -> Result<Self, TicketError> {
        if (1..=TICKET_BYTES_MAX).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_graphic())
        {
            return Ok(Self(text));
        }
        text.zeroize();
        Err(TicketError)
    }
}

impl FromStr for Ticket {
    type Err = TicketError;

    fn from_str(text: &str) -> Result<Self, TicketError> {
        Self::try_from(text.to_owned())
    }
}

impl From<Ticket> for String {
    fn from(ticket: Ticket) -> Self {
        ticket.0.clone()
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ticket(…)")
    }
}
