//! A member that does not play fair.

use protocol::{
    NodeId,
    record::{Head, Version},
    sync::{Frame, Range},
};

use crate::dice::Dice;

/// What a liar sends in place of what it ought to send. It cannot forge a signature; everything
/// else it can do.
pub(crate) fn twist(bytes: Vec<u8>, old: Vec<u8>, dice: &mut Dice) -> Vec<Vec<u8>> {
    match dice.below(10) {
        0 => vec![],
        1 => vec![old],
        2 => vec![garble(bytes, dice)],
        3 => vec![withhold(&bytes)],
        4 => vec![nonsense(dice), bytes],
        5 => vec![boast(&bytes, dice)],
        _ => vec![bytes],
    }
}

fn garble(mut bytes: Vec<u8>, dice: &mut Dice) -> Vec<u8> {
    for _ in 0..=dice.below(3) {
        let at = dice.index(bytes.len());
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= 1 << dice.below(8);
        }
    }
    if dice.percent(30) {
        bytes.truncate(dice.index(bytes.len()));
    }
    bytes
}

/// Answers, but keeps the records back.
fn withhold(bytes: &[u8]) -> Vec<u8> {
    match Frame::decode(bytes) {
        Ok(Frame::Records { author, .. }) => {
            Frame::Records { author, records: vec![], more: true }.encode()
        }
        _ => bytes.to_vec(),
    }
}

/// Claims to know what it does not.
fn boast(bytes: &[u8], dice: &mut Dice) -> Vec<u8> {
    match Frame::decode(bytes) {
        Ok(Frame::Summary { mut heads, answer }) => {
            for (_, head) in &mut heads {
                head.digest[0] ^= 1;
                head.newest.seq += 1000;
                head.count = dice.below(100_000);
            }
            Frame::Summary { heads, answer }.encode()
        }
        _ => bytes.to_vec(),
    }
}

fn nonsense(dice: &mut Dice) -> Vec<u8> {
    let mut author = [0; 32];
    protocol::Entropy::fill(dice, &mut author);
    let author = NodeId(author);
    let (from, to) = (Version { epoch: dice.below(9), seq: 1 }, Version { epoch: 5, seq: 1 });
    match dice.below(4) {
        0 => Frame::Summary { heads: vec![(author, Head::default()); 50], answer: true }.encode(),
        1 => {
            let range = Range { from, to, count: u64::MAX, digest: [1; 32] };
            Frame::Ranges { author, ranges: vec![range; 3] }.encode()
        }
        2 => {
            let entries = serde_bytes_of(dice);
            Frame::List { author, from, to, entries }.encode()
        }
        _ => serde_bytes_of(dice).into_vec(),
    }
}

fn serde_bytes_of(dice: &mut Dice) -> serde_bytes::ByteBuf {
    let mut bytes = vec![0; dice.index(200)];
    protocol::Entropy::fill(dice, &mut bytes);
    serde_bytes::ByteBuf::from(bytes)
}
