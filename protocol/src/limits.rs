//! Every bound on what comes from outside, with its unit and its reason.

/// The largest chunk, plaintext bytes. Larger gains nothing on a LAN and costs memory per worker.
pub const CHUNK_BYTES_MAX: usize = 1 << 20;

/// The largest sealed object. A manifest root is the largest: 65,536 pages of some 120 bytes.
pub const OBJECT_BYTES_MAX: usize = 16 << 20;

/// The largest signed record. Below gossipsub's 64 KiB, with room for its own framing.
pub const RECORD_BYTES_MAX: usize = 60 << 10;

/// The longest key of a record, bytes.
pub const RECORD_KEY_BYTES_MAX: usize = 160;

/// The largest control frame between peers.
pub const FRAME_BYTES_MAX: usize = 1 << 20;

/// The longest name of a node, a job or an archive, in bytes.
pub const NAME_BYTES_MAX: usize = 50;

/// Members of a mesh, expelled ones included.
pub const MEMBERS_MAX: usize = 1_000;

/// Live records one author may have. A few thousand archives, each on a few holders.
pub const RECORDS_PER_AUTHOR_MAX: usize = 200_000;
