//! Every bound of the network part, with its unit and its reason.

use std::time::Duration;

/// Events that wait for the driver. With [`FRAMES_HELD_BYTES_MAX`] and the size of a record it
/// bounds what a slow driver costs: 16 MiB of frames and 16 MiB of gossip.
pub const EVENTS_MAX: usize = 256;

/// Connection events that wait for a place among the [`EVENTS_MAX`]; none is ever lost.
pub const EVENTS_BACKLOG_MAX: usize = 256;

/// Commands that wait for the network task.
pub const COMMANDS_MAX: usize = 64;

/// Bytes of frames and join requests held between the wire and the driver.
pub const FRAMES_HELD_BYTES_MAX: usize = 16 << 20;

/// Frames under way to one peer at a time.
pub const FRAMES_IN_FLIGHT_MAX: usize = 4;

/// Frames that wait for their turn to one peer.
pub const FRAMES_WAITING_MAX: usize = 64;

/// Frame exchanges on one connection, both directions together.
pub const FRAME_STREAMS_MAX: usize = 16;

/// The largest request to join.
pub const JOIN_REQUEST_BYTES_MAX: usize = 64 << 10;

/// The largest answer to a request to join: what the engine may put into one, so that a mesh with
/// many members still lets one more in.
pub const JOIN_ANSWER_BYTES_MAX: usize = protocol::limits::FRAME_BYTES_MAX;

/// The largest gossip message on the wire: a record and gossipsub's own framing.
pub const GOSSIP_MESSAGE_BYTES_MAX: usize = 64 << 10;

/// Gossip messages that wait for one slow peer; more are dropped and reconciled later.
pub const GOSSIP_QUEUE_MAX: usize = 256;

/// Addresses tried in one dial.
pub const DIAL_ADDRESSES_MAX: usize = 32;

/// Tickets outstanding at a time: as many as the engine gives out.
pub const TICKETS_MAX: usize = protocol::membership::ticket::TICKETS_MAX;

/// The longest a ticket may be outstanding.
pub const TICKET_TIME_MAX: Duration = Duration::from_secs(366 * 24 * 3600);

/// Connections in their security handshake, from whomever. While so many strangers are silent, a
/// member waits up to [`HANDSHAKE_TIME_MAX`].
pub const CONNECTIONS_PENDING_MAX: u32 = 256;

/// Dials under way.
pub const DIALS_MAX: u32 = 64;

/// Connections with one peer: both dialled at once, over TCP and over QUIC.
pub const CONNECTIONS_PER_PEER_MAX: u32 = 4;

/// Connections in all: a mesh of a few dozen nodes, with room.
pub const CONNECTIONS_MAX: u32 = 512;

/// Streams on one connection. Each may hold 256 KiB that were not read yet.
pub const STREAMS_MAX: usize = 128;

/// Inbound streams of one connection that are still negotiating their protocol.
pub const STREAMS_NEGOTIATING_MAX: usize = 64;

/// Bulk streams that wait to be opened on one connection.
pub const BULK_OPENING_MAX: usize = 64;

/// Inbound bulk streams in their greeting, all peers together.
pub const BULK_GREETING_MAX: usize = 64;

/// One piece of a bulk stream with its header; also the write buffer of a stream.
pub const BULK_PIECE_BYTES_MAX: usize = 64 << 10;

/// Bytes read from a socket at once. The security layer alone would read 8 KiB at a time.
pub const READ_BUFFER_BYTES: usize = 256 << 10;

/// From the first byte of a connection to its end of handshake.
pub const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(10);

/// One exchange of a frame or a join request on the wire: 1 MiB at 300 kbit/s.
pub const EXCHANGE_TIME_MAX: Duration = Duration::from_secs(30);

/// What a caller of `send` waits in all, tries after a busy answer included.
pub const SEND_TIME_MAX: Duration = Duration::from_secs(60);

/// What a caller of `open_bulk` waits in all.
pub const BULK_OPEN_TIME_MAX: Duration = Duration::from_secs(20);

/// The greeting of one bulk stream, at the side that accepts.
pub const BULK_GREETING_TIME_MAX: Duration = Duration::from_secs(10);

/// The first wait after a busy answer; it doubles up to [`RETRY_WAIT_MAX`].
pub const RETRY_WAIT_MIN: Duration = Duration::from_millis(20);

/// The longest wait between two tries.
pub const RETRY_WAIT_MAX: Duration = Duration::from_secs(1);

/// Joining in all, from the first dial to the answer.
pub const JOIN_TIME_MAX: Duration = Duration::from_secs(20);

/// What the driver may take to answer a request to join.
pub const JOIN_ANSWER_TIME_MAX: Duration = Duration::from_secs(15);

/// How long a ticket's connection may last before its answer.
pub const TICKET_CONNECTION_TIME_MAX: Duration = Duration::from_secs(30);

/// How long a ticket's connection may last after its answer, so that the answer is read before
/// the connection goes.
pub const TICKET_LINGER_TIME_MAX: Duration = Duration::from_secs(3);

/// Between two pings of a connection.
pub const PING_INTERVAL: Duration = Duration::from_secs(15);

/// Without an answer to a ping for so long, a connection is dead.
pub const PING_TIME_MAX: Duration = Duration::from_secs(20);

/// How long a shutdown waits for connections to say goodbye.
pub const GOODBYE_TIME_MAX: Duration = Duration::from_millis(500);
