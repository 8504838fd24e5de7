//! Every table of `state.redb`. A changed value gets a new number in the name.

use redb::TableDefinition;

/// (author, key of the record) → the signed bytes as they came.
pub(super) const RECORDS: TableDefinition<'static, (&[u8], &str), &[u8]> =
    TableDefinition::new("records-1");

/// Chunk id → (sealed id, sealed bytes): what a chunk of this origin became.
pub(super) const KNOWN: TableDefinition<'static, &[u8], (&[u8], u32)> =
    TableDefinition::new("known-1");

/// Name → value: layout, mesh, tickets, counters.
pub(super) const META: TableDefinition<'static, &str, &[u8]> = TableDefinition::new("meta-1");

/// Run number → the run's report, CBOR.
pub(super) const RUNS: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("runs-2");

/// Run number → the lines of its transcript, CBOR.
pub(super) const TRANSCRIPTS: TableDefinition<'static, u64, &[u8]> =
    TableDefinition::new("transcripts-1");

/// (job id, run number) of every run that has a job.
pub(super) const RUNS_OF_JOB: TableDefinition<'static, (&[u8; 16], u64), ()> =
    TableDefinition::new("runs-of-job-1");

/// (name of the job when it ran, run number) of every run.
pub(super) const RUNS_NAMED: TableDefinition<'static, (&str, u64), ()> =
    TableDefinition::new("runs-named-1");

/// Numbers of the runs that have begun and not ended.
pub(super) const RUNS_OPEN: TableDefinition<'static, u64, ()> = TableDefinition::new("runs-open-1");

/// Job id → how far its schedule was handled, CBOR.
pub(super) const HANDLED: TableDefinition<'static, &[u8; 16], &[u8]> =
    TableDefinition::new("handled-1");

/// (origin, archive id) → (sealed id, sealed bytes) of the root of an archive that is not whole here.
pub(super) const HURT: TableDefinition<'static, ArchiveKey, (&[u8; 32], u32)> =
    TableDefinition::new("hurt-1");

/// (origin, archive id).
type ArchiveKey = (&'static [u8; 32], &'static [u8; 16]);
/// Job number → job id. Rows never go, so that no number is used again.
pub(super) const JOB_NUMBERS: TableDefinition<'static, u64, &[u8; 16]> =
    TableDefinition::new("job-numbers-1");

/// Id of a key of the HTTP interface → whose it is and its bcrypt hash, CBOR.
pub(super) const API_KEYS: TableDefinition<'static, &str, &[u8]> =
    TableDefinition::new("api-keys-1");
/// Id of an upload → its session, CBOR.
pub(super) const UPLOADS: TableDefinition<'static, &[u8; 16], &[u8]> =
    TableDefinition::new("uploads-1");

/// Runs with their transcripts inside: before any release.
pub(super) const RUNS_1: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("runs-1");

/// Instance number → the instance with its sealed key, CBOR.
pub(super) const INSTANCES: TableDefinition<'static, u64, &[u8]> =
    TableDefinition::new("instances-1");

/// Transfer number → the transfer, CBOR.
pub(super) const TRANSFERS: TableDefinition<'static, u64, &[u8]> =
    TableDefinition::new("transfers-1");

/// Notice number → the notice, CBOR.
pub(super) const NOTICES: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("notices-1");
