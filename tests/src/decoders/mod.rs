//! Every decoder of foreign bytes, each behind one function that takes any bytes.
//!
//! An entry must come back from whatever it is given, without a panic and with little memory; what
//! it asserts beyond that is what the rest of the program counts on. Signatures, checksums and
//! seals would stop nearly all mutations at the gate, so most entries also make valid ones around
//! the bytes they got: what lies behind is foreign too, a member may lie.
//!
//! These are the decoders of `protocol`; `node_decoders` beside this folder has those of the node.
//!
//! Two programs use them: `tests/decoders` with seeded mutations in every test run, and the targets
//! of `tests/fuzz` with libFuzzer, which includes this folder as it stands.

mod asked;
mod control_seeds;
mod live;
mod objects;
mod seeds;
mod tape;

use protocol::key::{ArchiveKey, NodeSecret};

/// One decoder.
pub struct Decoder {
    /// The name of its fuzz target.
    pub name: &'static str,
    /// Takes any bytes.
    pub feed: fn(&[u8]),
    /// Bytes that it accepts, to begin mutations from.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All of them.
pub const ALL: &[Decoder] = &[
    Decoder { name: "object", feed: objects::object, seeds: seeds::object },
    Decoder { name: "zipped", feed: objects::zipped, seeds: seeds::zipped },
    Decoder { name: "manifest_root", feed: objects::manifest_root, seeds: seeds::manifest_root },
    Decoder { name: "manifest_page", feed: objects::manifest_page, seeds: seeds::manifest_page },
    Decoder { name: "contents_page", feed: objects::contents_page, seeds: seeds::contents_page },
    Decoder { name: "archive_meta", feed: objects::archive_meta, seeds: seeds::archive_meta },
    Decoder { name: "tar_stream", feed: tape::stream, seeds: seeds::tar_stream },
    Decoder { name: "tar_block", feed: tape::block, seeds: seeds::tar_block },
    Decoder { name: "record", feed: live::record, seeds: seeds::record },
    Decoder { name: "record_body", feed: live::record_body, seeds: seeds::record_body },
    Decoder { name: "ticket", feed: live::ticket, seeds: seeds::ticket },
    Decoder { name: "join_request", feed: live::join_request, seeds: seeds::join_request },
    Decoder { name: "join_answer", feed: live::join_answer, seeds: seeds::join_answer },
    Decoder { name: "sync_frame", feed: live::sync_frame, seeds: seeds::sync_frame },
    Decoder { name: "bulk_frame", feed: live::bulk_frame, seeds: seeds::bulk_frame },
    Decoder { name: "schedule", feed: asked::schedule, seeds: asked::schedule_seeds },
    Decoder { name: "retention", feed: asked::retention, seeds: asked::retention_seeds },
    Decoder { name: "job_spec", feed: asked::job_spec, seeds: asked::job_spec_seeds },
    Decoder { name: "ask_frame", feed: live::ask_frame, seeds: seeds::ask_frame },
    Decoder { name: "tell_frame", feed: live::tell_frame, seeds: seeds::tell_frame },
];

/// Feeds the decoder of that name, for the fuzz targets.
///
/// # Panics
/// When there is none, or the decoder has a fault.
pub fn feed(name: &str, bytes: &[u8]) {
    let decoder = ALL.iter().find(|decoder| decoder.name == name);
    (decoder.expect("a target has the name of a decoder").feed)(bytes);
}

fn archive_key() -> ArchiveKey {
    ArchiveKey::from_bytes([3; 32])
}

fn node_secret() -> NodeSecret {
    NodeSecret::from_seed(&[7; 32])
}
