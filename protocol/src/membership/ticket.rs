//! Tickets: one line of text that lets one node into the mesh once.
//!
//! The ticket carries a seed from which an ed25519 key is made. The joining node dials with that
//! key, so the inviter's transport knows whom to let in for the join protocol only, before a byte
//! was exchanged. The inviter keeps what it promised as [`Outstanding`]; the seed it does not keep.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::{MeshId, NodeId, Time, cbor, key::NodeSecret, record::Role};

/// What every ticket begins with.
pub const PREFIX: &str = "backupmanager-";

/// The longest ticket, bytes of text.
pub const TICKET_TEXT_BYTES_MAX: usize = 4096;

/// Addresses in a ticket.
pub const TICKET_ADDRESSES_MAX: usize = 16;

/// Tickets that one node has outstanding.
pub const TICKETS_MAX: usize = 100;

/// How long a used or expired ticket is remembered, so that a late or repeated join is told why.
pub const TICKET_REMEMBERED: Duration = Duration::from_secs(7 * 24 * 3600);

const CHECKSUM_BYTES: usize = 4;
const CHECKSUM_CONTEXT: &str = "backupmanager 2026 ticket checksum v1";
const FORMAT: u8 = 1;
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// What a new node needs to join.
#[derive(Clone, PartialEq, Eq)]
pub struct Ticket {
    /// The mesh it lets into.
    pub mesh: MeshId,
    /// The founder, from whom every member's chain of invitations begins.
    pub founder: NodeId,
    /// Who made it, and answers it.
    pub inviter: NodeId,
    /// Where the inviter can be reached, as multiaddress text.
    pub addresses: Vec<String>,
    /// The one-time secret.
    pub secret: TicketSecret,
    /// What the node will be. Told for people: the inviter's own note decides.
    pub role: Role,
    /// How much it may be given to hold, bytes.
    pub quota_bytes: Option<u64>,
    /// When the inviter will refuse it, by the inviter's clock.
    pub expires: Time,
}

/// The seed in a ticket.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct TicketSecret(pub [u8; 32]);

impl fmt::Debug for TicketSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TicketSecret(…)")
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ticket({:?} by {:?}, {:?}, …)", self.peer(), self.inviter, self.role)
    }
}

/// `[format, mesh, founder, inviter, addresses, secret, role, quota, expires]`
#[derive(Serialize, Deserialize)]
struct Wire(
    u8,
    MeshId,
    NodeId,
    NodeId,
    Vec<String>,
    #[serde(with = "serde_bytes")] [u8; 32],
    Role,
    Option<u64>,
    Time,
);

/// A text that is no ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TicketError {
    /// It does not begin as tickets do.
    #[error("a ticket begins with \"{PREFIX}\"")]
    NoTicket,
    /// A letter is missing or wrong.
    #[error("the ticket is damaged: it was not copied whole, or a letter is wrong")]
    Damaged,
    /// Made by a newer program.
    #[error("the ticket was made by a newer version of the program (format {0})")]
    Format(u8),
}

impl Ticket {
    /// The id that the joining node dials with.
    #[must_use]
    pub fn peer(&self) -> NodeId {
        self.key().id()
    }

    /// The key that the joining node dials with.
    #[must_use]
    pub fn key(&self) -> NodeSecret {
        NodeSecret::from_seed(&self.secret.0)
    }
}

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wire = Wire(
            FORMAT,
            self.mesh,
            self.founder,
            self.inviter,
            self.addresses.clone(),
            self.secret.0,
            self.role,
            self.quota_bytes,
            self.expires,
        );
        let mut bytes = cbor::encode(&wire);
        let checksum = checksum(&bytes);
        bytes.extend_from_slice(&checksum);
        write!(f, "{PREFIX}{}", to_base32(&bytes))
    }
}

impl FromStr for Ticket {
    type Err = TicketError;

    /// Reads a ticket; spaces, line breaks and capitals that came in on the way do not matter.
    fn from_str(text: &str) -> Result<Self, TicketError> {
        if text.len() > TICKET_TEXT_BYTES_MAX {
            return Err(TicketError::NoTicket);
        }
        let text: String =
            text.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_ascii_lowercase()).collect();
        let letters = text.strip_prefix(PREFIX).ok_or(TicketError::NoTicket)?;
        let bytes = from_base32(letters).ok_or(TicketError::Damaged)?;
        let at = bytes.len().checked_sub(CHECKSUM_BYTES).ok_or(TicketError::Damaged)?;
        let (wire, sum) = bytes.split_at(at);
        if checksum(wire) != sum {
            return Err(TicketError::Damaged);
        }
        // The format is the first of nine or more elements, so it stands in the second byte.
        match wire.get(1) {
            Some(&FORMAT) => {}
            other => return Err(TicketError::Format(other.copied().unwrap_or(0))),
        }
        let Wire(_, mesh, founder, inviter, addresses, secret, role, quota_bytes, expires) =
            cbor::decode("a ticket", wire, TICKET_TEXT_BYTES_MAX)
                .map_err(|_| TicketError::Damaged)?;
        if addresses.len() > TICKET_ADDRESSES_MAX {
            return Err(TicketError::Damaged);
        }
        let secret = TicketSecret(secret);
        Ok(Self { mesh, founder, inviter, addresses, secret, role, quota_bytes, expires })
    }
}

/// What an inviter remembers of a ticket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outstanding {
    /// The id that the joining node dials with.
    pub peer: NodeId,
    /// What the node will be.
    pub role: Role,
    /// How much it may be given to hold, bytes.
    pub quota_bytes: Option<u64>,
    /// When it is refused, by the inviter's clock.
    pub expires: Time,
    /// Who used it. The same node may ask again: its answer may have been lost.
    pub used_by: Option<NodeId>,
}

impl Outstanding {
    /// Whether somebody may still come with it.
    #[must_use]
    pub fn is_open(&self, now: Time) -> bool {
        now <= self.expires
    }

    /// Whether it is of no more use, not even to say why it is refused.
    #[must_use]
    pub fn is_forgotten(&self, now: Time) -> bool {
        now > self.expires.after(TICKET_REMEMBERED)
    }
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let hash = blake3::derive_key(CHECKSUM_CONTEXT, bytes);
    [hash[0], hash[1], hash[2], hash[3]]
}

fn to_base32(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 8 / 5 + 1);
    let (mut bits, mut count) = (0u32, 0);
    let letter = |bits: u32| char::from(ALPHABET[(bits & 31) as usize]);
    for byte in bytes {
        bits = (bits << 8) | u32::from(*byte);
        count += 8;
        while count >= 5 {
            count -= 5;
            out.push(letter(bits >> count));
        }
    }
    if count > 0 {
        out.push(letter(bits << (5 - count)));
    }
    out
}

/// The bytes, or nothing when a letter is foreign or the last one has bits that belong to no byte.
fn from_base32(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() * 5 / 8);
    let (mut bits, mut count) = (0u32, 0);
    for letter in text.bytes() {
        let value = ALPHABET.iter().position(|known| *known == letter)?;
        bits = (bits << 5) | u32::try_from(value).ok()?;
        count += 5;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count).to_be_bytes()[3]);
        }
    }
    let left_over = bits & ((1 << count) - 1);
    (count < 5 && left_over == 0).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticket() -> Ticket {
        Ticket {
            mesh: MeshId([1; 32]),
            founder: NodeId([2; 32]),
            inviter: NodeId([3; 32]),
            addresses: vec!["/ip4/192.0.2.1/tcp/4001".into()],
            secret: TicketSecret([4; 32]),
            role: Role::Storage,
            quota_bytes: Some(200 << 30),
            expires: Time(1_800_000_000_000),
        }
    }

    #[test]
    fn a_ticket_is_one_line_and_comes_back() {
        let text = ticket().to_string();
        assert!(text.starts_with(PREFIX) && !text.contains(char::is_whitespace));
        assert_eq!(text.parse(), Ok(ticket()));
        let broken_lines = format!(" {}\n{} ", &text[..40], &text[40..]);
        assert_eq!(broken_lines.parse(), Ok(ticket()));
        assert_eq!(text.to_uppercase().parse(), Ok(ticket()), "QR codes are in capitals");
    }

    #[test]
    fn a_wrong_or_missing_letter_is_noticed() {
        let text = ticket().to_string();
        assert_eq!("hello".parse::<Ticket>(), Err(TicketError::NoTicket));
        assert_eq!("é".repeat(3000).parse::<Ticket>(), Err(TicketError::NoTicket));
        for at in PREFIX.len()..text.len() {
            let other = if text.as_bytes()[at] == b'a' { "b" } else { "a" };
            let wrong = format!("{}{other}{}", &text[..at], &text[at + 1..]);
            assert_eq!(wrong.parse::<Ticket>(), Err(TicketError::Damaged), "letter {at}");
            assert_eq!(text[..at].parse::<Ticket>(), Err(TicketError::Damaged), "cut at {at}");
        }
    }

    #[test]
    fn the_secret_does_not_print() {
        let shown = format!("{:?} {:?}", ticket(), ticket().secret);
        assert!(!shown.contains("0404") && !shown.contains("4, 4"), "{shown}");
    }
}
