//! The way bytes travel: QUIC, or TCP with noise and yamux, names resolved by DNS.
//!
//! The TLS inside QUIC writes its session keys to the file that the environment variable
//! `SSLKEYLOGFILE` names, and libp2p leaves no way to turn that off: whoever starts the daemon must
//! start it without that variable.

use std::io;

use futures::{future::Either, io::BufReader};
use libp2p::{
    Multiaddr, PeerId, Transport, TransportError,
    core::{
        muxing::StreamMuxerBox,
        transport::{Boxed, timeout::TransportTimeout},
        upgrade::Version,
    },
    dns,
    identity::Keypair,
    multiaddr::Protocol,
    noise, quic, swarm, tcp, yamux,
};

use super::{
    error::NetError,
    limits::{HANDSHAKE_TIME_MAX, READ_BUFFER_BYTES, STREAMS_MAX, STREAMS_NEGOTIATING_MAX},
};

type Link = (PeerId, StreamMuxerBox);

/// The transport of a node with this key.
pub(super) fn transport(keypair: &Keypair) -> Result<Boxed<Link>, NetError> {
    let direct = direct(keypair)?;
    let named = match dns::tokio::Transport::system(direct) {
        Ok(named) => named,
        Err(error) => {
            // Numeric addresses need no resolver, so a broken one must not keep the daemon down.
            tracing::warn!(%error, "no usable DNS configuration, names in addresses will not work");
            let (servers, options) = (dns::ResolverConfig::default(), dns::ResolverOpts::default());
            dns::tokio::Transport::custom(self::direct(keypair)?, servers, options)
        }
    };
    Ok(TransportTimeout::new(named, HANDSHAKE_TIME_MAX).boxed())
}

fn direct(keypair: &Keypair) -> Result<Boxed<Link>, NetError> {
    let mut streams = yamux::Config::default();
    streams.set_max_num_streams(STREAMS_MAX);
    let tcp = tcp::tokio::Transport::new(tcp::Config::default().nodelay(true))
        .map(|socket, _| BufReader::with_capacity(READ_BUFFER_BYTES, socket))
        .upgrade(Version::V1Lazy)
        .authenticate(noise::Config::new(keypair).map_err(NetError::Handshake)?)
        .multiplex(streams);
    let mut config = quic::Config::new(keypair);
    config.handshake_timeout = HANDSHAKE_TIME_MAX;
    config.max_concurrent_stream_limit = u32::try_from(STREAMS_MAX).expect("a small number");
    let both = quic::tokio::Transport::new(config).or_transport(tcp).map(|link, _| match link {
        Either::Left((peer, muxer)) => (peer, StreamMuxerBox::new(muxer)),
        Either::Right((peer, muxer)) => (peer, StreamMuxerBox::new(muxer)),
    });
    Ok(both.boxed())
}

/// Connections of members stay while they live; those of tickets have their own deadline.
pub(super) fn swarm_config() -> swarm::Config {
    swarm::Config::with_tokio_executor()
        .with_idle_connection_timeout(std::time::Duration::MAX)
        .with_max_negotiating_inbound_streams(STREAMS_NEGOTIATING_MAX)
}

/// Whether a TCP port is really free. libp2p shares ports (`SO_REUSEPORT`), so a second daemon
/// would silently take half of the first one's connections.
pub(super) fn check_free(address: &Multiaddr) -> Result<(), TransportError<io::Error>> {
    let mut parts = address.iter();
    let host: std::net::IpAddr = match parts.next() {
        Some(Protocol::Ip4(ip)) => ip.into(),
        Some(Protocol::Ip6(ip)) => ip.into(),
        _ => return Ok(()),
    };
    match parts.next() {
        Some(Protocol::Tcp(port)) if port != 0 => {
            std::net::TcpListener::bind((host, port)).map(drop).map_err(TransportError::Other)
        }
        _ => Ok(()),
    }
}
