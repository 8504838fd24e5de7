//! What the tests that cross crates share.

pub mod decoders;
pub mod support;
