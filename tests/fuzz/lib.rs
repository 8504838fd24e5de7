//! What the targets share: the decoders of the `tests` crate, without the node that it depends on.

#[path = "../src/decoders/mod.rs"]
pub mod decoders;
