//! Changes to bytes, as a fuzzer makes them.

use protocol::{Entropy, entropy::SeededEntropy};

/// Values that lie at edges.
const EDGES: [u8; 10] = [0, 1, 0x7f, 0x80, 0xff, b'0', b'\n', b'=', b'/', 0x9f];

/// The seeds as they are, then every cut of them, then random changes.
pub(crate) fn input(number: usize, seeds: &[Vec<u8>], entropy: &mut SeededEntropy) -> Vec<u8> {
    if let Some(seed) = seeds.get(number) {
        return seed.clone();
    }
    let mut bytes = seeds[below(entropy, seeds.len())].clone();
    for _ in 0..=below(entropy, 4) {
        change(&mut bytes, seeds, entropy);
    }
    bytes
}

fn change(bytes: &mut Vec<u8>, seeds: &[Vec<u8>], entropy: &mut SeededEntropy) {
    let at = below(entropy, bytes.len() + 1);
    let end = (at + below(entropy, 9)).min(bytes.len());
    match below(entropy, 8) {
        0 => bytes.truncate(at),
        1 => drop(bytes.drain(at..end)),
        2 => bytes.insert(at, EDGES[below(entropy, EDGES.len())]),
        3 if at < bytes.len() => bytes[at] ^= 1 << below(entropy, 8),
        4 if at < bytes.len() => bytes[at] = EDGES[below(entropy, EDGES.len())],
        5 => bytes[at..end].fill(EDGES[below(entropy, EDGES.len())]),
        6 => {
            let other = &seeds[below(entropy, seeds.len())];
            let from = below(entropy, other.len() + 1);
            let piece = &other[from..(from + below(entropy, 600)).min(other.len())];
            bytes.splice(at..end, piece.iter().copied());
        }
        _ => bytes[at..end].iter_mut().for_each(|byte| *byte = entropy.array::<1>()[0]),
    }
}

/// A number below `n`, which is not zero.
fn below(entropy: &mut SeededEntropy, n: usize) -> usize {
    let number = u64::from_le_bytes(entropy.array()) % n as u64;
    usize::try_from(number).unwrap()
}
