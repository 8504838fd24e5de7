//! The decoders of the node, as [`crate::decoders`] has those of the core. They need the node, which
//! has many dependencies, so their fuzz targets have a feature of their own.

mod archives;
mod dumps;
mod http;
mod talk;

use crate::decoders::Decoder;

/// All of them.
pub const ALL: &[Decoder] = &[
    Decoder { name: "archive_tar", feed: archives::tar, seeds: archives::tar_seeds },
    Decoder { name: "archive_json", feed: archives::json, seeds: archives::json_seeds },
    Decoder { name: "dump_head", feed: dumps::head, seeds: dumps::head_seeds },
    Decoder { name: "dump_here", feed: dumps::here, seeds: dumps::here_seeds },
    Decoder { name: "dump_restricted", feed: dumps::restricted, seeds: dumps::restricted_seeds },
    Decoder { name: "yunohost_answer", feed: talk::answer, seeds: talk::answer_seeds },
    Decoder { name: "agent_frame", feed: talk::frame, seeds: talk::frame_seeds },
    Decoder { name: "multipart", feed: http::multipart, seeds: http::multipart_seeds },
    Decoder { name: "instance_answer", feed: http::answer, seeds: http::answer_seeds },
];

/// Feeds the decoder of that name, for the fuzz targets.
///
/// # Panics
/// When there is none, or the decoder has a fault.
pub fn feed(name: &str, bytes: &[u8]) {
    let decoder = ALL.iter().find(|decoder| decoder.name == name);
    (decoder.expect("a target has the name of a decoder").feed)(bytes);
}

/// What `YunoHost` itself wrote and said, see the README there.
macro_rules! fixture {
    ($name:literal) => {
        include_bytes!(concat!("../../fixtures/yunohost/", $name)).as_slice()
    };
}
use fixture;
