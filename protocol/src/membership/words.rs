//! Four words that two people can compare by telephone.

use crate::{MeshId, NodeId};

const CONTEXT: &str = "backupmanager 2026 four words v1";

/// What the inviter and the joining node both show. They are the same on both sides only if both
/// mean the same two nodes, the same mesh and the same ticket.
#[must_use]
pub fn four_words(one: NodeId, other: NodeId, mesh: MeshId, ticket: NodeId) -> [&'static str; 4] {
    let material = [one.min(other).0, one.max(other).0, mesh.0, ticket.0].concat();
    let hash = blake3::derive_key(CONTEXT, &material);
    [hash[0], hash[1], hash[2], hash[3]].map(|byte| WORDS[usize::from(byte)])
}

/// Short, concrete, told apart by ear; one for each byte. The order is part of the protocol.
#[rustfmt::skip]
const WORDS: [&str; 256] = [
    "acid", "acorn", "actor", "amber", "angel", "ankle", "apple", "apron", "arch", "arrow",
    "atlas", "attic", "bacon", "badge", "bagel", "baker", "banjo", "barn", "basin", "beach",
    "bean", "bear", "berry", "bike", "bird", "bison", "blade", "blaze", "bloom", "board",
    "boat", "bonus", "book", "bottle", "bowl", "brain", "brass", "bread", "brick", "bridge",
    "broom", "brush", "bucket", "bugle", "bull", "butter", "cabin", "cable", "cactus", "cake",
    "camel", "camera", "candle", "canoe", "canyon", "cargo", "carpet", "castle", "cello",
    "chalk", "cheese", "cherry", "chess", "chief", "circus", "clay", "cliff", "clock", "cloud",
    "clover", "coach", "coal", "cobra", "cocoa", "coin", "comet", "copper", "coral", "corn",
    "cotton", "crab", "crane", "crown", "crystal", "cube", "curtain", "daisy", "dance", "dawn",
    "deer", "desert", "diary", "dinner", "dragon", "drum", "duck", "eagle", "earth", "easel",
    "echo", "elbow", "ember", "engine", "falcon", "farmer", "feather", "fence", "fern",
    "fiddle", "field", "finger", "flame", "flute", "forest", "fossil", "fox", "frog", "garden",
    "garlic", "ghost", "giant", "ginger", "glacier", "glass", "globe", "goat", "gold", "goose",
    "grape", "guitar", "hammer", "harbor", "harp", "hawk", "hazel", "helmet", "honey", "horse",
    "hotel", "icicle", "igloo", "island", "ivory", "jacket", "jaguar", "jelly", "jewel",
    "jungle", "kettle", "kitten", "knight", "ladder", "lake", "lamp", "lantern", "lemon",
    "lily", "linen", "lion", "lizard", "lobster", "locket", "magnet", "mango", "maple",
    "marble", "market", "meadow", "melon", "mirror", "monkey", "moon", "mosaic", "motor",
    "mountain", "museum", "mustard", "napkin", "needle", "nickel", "noodle", "nutmeg", "oak",
    "oasis", "ocean", "olive", "onion", "orange", "orbit", "otter", "owl", "oyster", "paddle",
    "paint", "palace", "panda", "paper", "parrot", "pastry", "peach", "pearl", "pebble",
    "pencil", "pepper", "piano", "pigeon", "pillow", "pilot", "pine", "pirate", "planet",
    "pocket", "poem", "pony", "potato", "puzzle", "quartz", "queen", "rabbit", "radio",
    "raven", "ribbon", "river", "robot", "rocket", "saddle", "salmon", "satin", "sheep",
    "shell", "silver", "spider", "spoon", "squid", "stone", "sugar", "swan", "table", "tiger",
    "timber", "tomato", "tower", "tulip", "tunnel", "turtle", "umbrella", "valley", "velvet",
    "violin", "walnut", "whale", "window", "winter", "wizard", "wolf", "zebra",
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_words_are_distinct_short_and_plain() {
        assert_eq!(WORDS.iter().collect::<BTreeSet<_>>().len(), WORDS.len());
        assert!(WORDS.iter().all(|w| (3..=8).contains(&w.len())));
        assert!(WORDS.iter().all(|w| w.bytes().all(|b| b.is_ascii_lowercase())));
    }

    #[test]
    fn both_sides_see_the_same_words_and_a_third_party_sees_others() {
        let (a, b, c) = (NodeId([1; 32]), NodeId([2; 32]), NodeId([3; 32]));
        let (mesh, ticket) = (MeshId([4; 32]), NodeId([5; 32]));
        assert_eq!(four_words(a, b, mesh, ticket), four_words(b, a, mesh, ticket));
        assert_ne!(four_words(a, b, mesh, ticket), four_words(a, c, mesh, ticket));
        assert_ne!(four_words(a, b, mesh, ticket), four_words(a, b, mesh, c));
    }
}
