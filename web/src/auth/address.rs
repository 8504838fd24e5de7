//! From where a request came, as far as it matters for counting failures.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use axum::http::HeaderMap;

const FORWARDED: &str = "x-forwarded-for";

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    /// Another machine, or this one.
    Ip(IpAddr),
    /// A process that reaches our socket file: nginx.
    Unix,
}

impl Peer {
    /// Whether it may be a proxy that speaks for others: only what runs on this machine.
    pub(crate) fn may_be_a_proxy(self) -> bool {
        match self {
            Self::Unix => true,
            Self::Ip(ip) => ip.to_canonical().is_loopback(),
        }
    }

    /// What to count by. A proxy of this machine adds the address that it saw at the end of the
    /// list; what stands before it anybody can have written.
    pub(crate) fn address(self, headers: &HeaderMap) -> Address {
        let told = || {
            let last = headers.get_all(FORWARDED).iter().next_back()?.to_str().ok()?;
            last.rsplit(',').next()?.trim().parse::<IpAddr>().ok()
        };
        let forwarded = if self.may_be_a_proxy() { told() } else { None };
        match (forwarded, self) {
            (Some(ip), _) | (None, Self::Ip(ip)) => Address::from(ip),
            (None, Self::Unix) => Address::Here,
        }
    }
}

/// One source of requests: an IPv4 address, or the 64 bits of IPv6 that one customer gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Address {
    /// This machine, and no proxy said more.
    Here,
    /// Version 4.
    V4(Ipv4Addr),
    /// The first half of version 6.
    V6([u16; 4]),
}

impl From<IpAddr> for Address {
    fn from(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(ip) => Self::V4(ip),
            IpAddr::V6(ip) => Self::V6(half(ip)),
        }
    }
}

fn half(ip: Ipv6Addr) -> [u16; 4] {
    let [a, b, c, d, ..] = ip.segments();
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(peer: Peer, forwarded: &[&'static str]) -> Address {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(FORWARDED, axum::http::HeaderValue::from_static(value));
        }
        peer.address(&headers)
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn only_a_proxy_of_this_machine_is_believed_and_only_its_last_word() {
        let outside = Address::from(ip("192.0.2.7"));
        assert_eq!(from(Peer::Ip(ip("192.0.2.7")), &["198.51.100.1"]), outside);
        for proxy in [Peer::Unix, Peer::Ip(ip("127.0.0.1")), Peer::Ip(ip("::ffff:127.0.0.1"))] {
            assert_eq!(from(proxy, &["10.0.0.1, 192.0.2.7"]), outside);
            assert_eq!(from(proxy, &["10.0.0.1", " 192.0.2.7 "]), outside);
        }
        assert_eq!(from(Peer::Unix, &["nonsense"]), Address::Here);
        assert_eq!(from(Peer::Ip(ip("::1")), &[]), Address::from(ip("::1")));
    }

    #[test]
    fn one_customer_of_ipv6_is_one_source() {
        let [a, b, c] = ["2001:db8:1:2::3", "2001:db8:1:2:ffff::", "2001:db8:1:3::3"].map(ip);
        assert_eq!(Address::from(a), Address::from(b));
        assert_ne!(Address::from(a), Address::from(c));
    }
}
