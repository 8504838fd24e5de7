//! A door to the lines of a program, see [`crate::decoders`].

use super::lines::{Lines, Secrets};

/// What a program said on one channel.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// Its lines, as they were told at once.
    pub told: Vec<String>,
    /// The last of them, as they are kept.
    pub kept: Vec<String>,
}

/// Reads a channel that comes in pieces of so many bytes, without this secret.
pub fn program_lines(channel: &[u8], piece_bytes: usize, secret: &str) -> Said {
    let mut secrets = Secrets::default();
    secrets.add(secret);
    let (mut lines, mut told) = (Lines::new(secrets), Vec::new());
    for piece in channel.chunks(piece_bytes.max(1)) {
        lines.push(piece, &mut |line| told.push(line));
    }
    lines.end(&mut |line| told.push(line));
    Said { told, kept: lines.kept() }
}
