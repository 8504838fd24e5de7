//! What the targets share: the decoders of the `tests` crate. Those of the node are only there with
//! the feature `node`.

#[path = "../src/decoders/mod.rs"]
pub mod decoders;

#[cfg(feature = "node")]
#[path = "../src/node_decoders/mod.rs"]
pub mod node_decoders;
