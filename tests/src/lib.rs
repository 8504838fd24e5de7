//! What the tests that cross crates share.

pub mod decoders;
pub mod node_decoders;
pub mod support;
