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

/// Run number → the run, CBOR.
pub(super) const RUNS: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("runs-1");
