//! Where an instance is, and the one certificate it may have.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The longest URL of an instance, bytes.
pub const INSTANCE_URL_BYTES_MAX: usize = 1_024;

/// The longest host name there is.
const HOST_BYTES_MAX: usize = 253;

/// Where the calls of the contract lie below the instance.
const API: &str = "/api/v1";

/// The address of an instance: `https://tom.example.org` or `https://tom.example.org/backup`. It
/// has no user, no query and no `..`; whoever pastes the address of the API itself means the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct InstanceUrl {
    encrypted: bool,
    host: String,
    port: u16,
    path: String,
}

/// Why a text is not the address of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InstanceUrlError {
    /// Longer than any sensible address.
    #[error("an address has at most {INSTANCE_URL_BYTES_MAX} bytes")]
    TooLong,
    /// Neither `https://` nor `http://`.
    #[error("an address begins with https://")]
    Scheme,
    /// A name and password in front of the host.
    #[error("an address has no user and no password in it: the key is given apart")]
    User,
    /// No host, or one that cannot be.
    #[error("the host of the address is not a name, an IPv4 address or an [IPv6 address]")]
    Host,
    /// Not a port.
    #[error("the port of the address is not a number from 1 to 65535")]
    Port,
    /// A path with characters or parts that it must not have.
    #[error("the path of the address may only have letters, digits and / . _ ~ -, and no ..")]
    Path,
}

impl InstanceUrl {
    /// Whether what is said to it is encrypted.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.encrypted
    }

    /// Whether what is said to it does not leave this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        match self.host.parse::<std::net::IpAddr>() {
            Ok(address) => address.is_loopback(),
            Err(_) => self.host == "localhost",
        }
    }

    /// The host, an IPv6 address without its brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The path of a call: `/api/v1/health` for `/health`.
    #[must_use]
    pub fn api_path(&self, call: &str) -> String {
        format!("{}{API}{call}", self.path)
    }

    /// Host and port as a request's `Host` has them.
    #[must_use]
    pub fn authority(&self) -> String {
        let host =
            if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == usual_port(self.encrypted) { host } else { format!("{host}:{}", self.port) }
    }
}

fn usual_port(encrypted: bool) -> u16 {
    if encrypted { 443 } else { 80 }
}

impl FromStr for InstanceUrl {
    type Err = InstanceUrlError;

    fn from_str(text: &str) -> Result<Self, InstanceUrlError> {
        if text.len() > INSTANCE_URL_BYTES_MAX {
            return Err(InstanceUrlError::TooLong);
        }
        let (scheme, rest) = text.split_once("://").ok_or(InstanceUrlError::Scheme)?;
        let encrypted = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return Err(InstanceUrlError::Scheme),
        };
        let at = rest.find('/').unwrap_or(rest.len());
        let (authority, path) = rest.split_at(at);
        let (host, port) = split_authority(authority)?;
        let port = match port {
            Some(port) => port_number(port)?,
            None => usual_port(encrypted),
        };
        Ok(Self { encrypted, host: host_name(host)?, port, path: prefix(path)? })
    }
}

fn port_number(text: &str) -> Result<u16, InstanceUrlError> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let port = text.parse().ok().filter(|port| digits && *port > 0);
    port.ok_or(InstanceUrlError::Port)
}

fn split_authority(authority: &str) -> Result<(&str, Option<&str>), InstanceUrlError> {
    if authority.contains('@') {
        return Err(InstanceUrlError::User);
    }
    if let Some(rest) = authority.strip_prefix('[') {
        let (host, after) = rest.split_once(']').ok_or(InstanceUrlError::Host)?;
        host.parse::<std::net::Ipv6Addr>().map_err(|_| InstanceUrlError::Host)?;
        return match after.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if after.is_empty() => Ok((host, None)),
            None => Err(InstanceUrlError::Host),
        };
    }
    match authority.split_once(':') {
        Some((host, port)) => Ok((host, Some(port))),
        None => Ok((authority, None)),
    }
}

fn host_name(host: &str) -> Result<String, InstanceUrlError> {
    if is_host(host) { Ok(host.to_ascii_lowercase()) } else { Err(InstanceUrlError::Host) }
}

/// Whether this is a name, an IPv4 or an IPv6 address.
pub(super) fn is_host(host: &str) -> bool {
    let label = |label: &str| {
        let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        (1..=63).contains(&label.len()) && label.bytes().all(inner)
    };
    let is_name = host.len() <= HOST_BYTES_MAX && host.split('.').all(label);
    is_name || host.parse::<std::net::Ipv6Addr>().is_ok()
}

/// The path without what is the contract's own, and without a slash at its end.
fn prefix(path: &str) -> Result<String, InstanceUrlError> {
    let allowed =
        |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'.' | b'_' | b'~' | b'-');
    let path = path.trim_end_matches('/');
    let path = path.strip_suffix(API).unwrap_or(path).trim_end_matches('/');
    let part = |part: &str| !matches!(part, "" | "." | "..");
    if path.bytes().all(allowed) && path.split('/').skip(1).all(part) {
        Ok(path.to_owned())
    } else {
        Err(InstanceUrlError::Path)
    }
}

impl TryFrom<String> for InstanceUrl {
    type Error = InstanceUrlError;

    fn try_from(text: String) -> Result<Self, InstanceUrlError> {
        text.parse()
    }
}

impl From<InstanceUrl> for String {
    fn from(url: InstanceUrl) -> Self {
        url.to_string()
    }
}

impl fmt::Display for InstanceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.encrypted { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.path)
    }
}

/// The SHA-256 of a certificate's DER: 64 hex digits, also as `openssl x509 -fingerprint` prints
/// them, with colons.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CertificatePin(pub [u8; 32]);

/// A text that is not a fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a certificate is pinned by its SHA-256: 64 hex digits, with or without colons")]
pub struct CertificatePinError;

impl FromStr for CertificatePin {
    type Err = CertificatePinError;

    fn from_str(text: &str) -> Result<Self, CertificatePinError> {
        let digits: Vec<u8> = text.bytes().filter(|b| *b != b':').collect();
        if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(CertificatePinError);
        }
        let mut pin = [0; 32];
        for (byte, pair) in pin.iter_mut().zip(digits.chunks(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| CertificatePinError)?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| CertificatePinError)?;
        }
        Ok(Self(pin))
    }
}

impl TryFrom<String> for CertificatePin {
    type Error = CertificatePinError;

    fn try_from(text: String) -> Result<Self, CertificatePinError> {
        text.parse()
    }
}

impl From<CertificatePin> for String {
    fn from(pin: CertificatePin) -> Self {
        pin.to_string()
    }
}

impl fmt::Display for CertificatePin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for CertificatePin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CertificatePin({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_as_people_write_it() {
        for (text, shown) in [
            ("https://tom.example.org", "https://tom.example.org"),
            ("HTTPS://Tom.Example.org/", "https://tom.example.org"),
            ("https://tom.example.org:443/api/v1/", "https://tom.example.org"),
            ("https://tom.example.org:8443/backup//", "https://tom.example.org:8443/backup"),
            ("https://tom.example.org/backup/api/v1", "https://tom.example.org/backup"),
            ("http://127.0.0.1:80", "http://127.0.0.1"),
            ("https://[::1]:8443/x", "https://[::1]:8443/x"),
        ] {
            let url: InstanceUrl = text.parse().expect(text);
            assert_eq!(url.to_string(), shown, "{text}");
            assert_eq!(shown.parse(), Ok(url), "{text}");
        }
        let url: InstanceUrl = "https://tom.example.org/backup".parse().expect("an address");
        assert_eq!(url.api_path("/health"), "/backup/api/v1/health");
    }

    #[test]
    fn what_is_no_address_or_hides_something_is_refused() {
        use InstanceUrlError as E;
        for (text, why) in [
            ("tom.example.org", E::Scheme),
            ("ftp://tom.example.org", E::Scheme),
            ("https://key@tom.example.org", E::User),
            ("https://", E::Host),
            ("https://tom example", E::Host),
            ("https://tom..org", E::Host),
            ("https://[::g]", E::Host),
            ("https://[::1]x", E::Host),
            ("https://tom.example.org:0", E::Port),
            ("https://tom.example.org:65536", E::Port),
            ("https://tom.example.org:+80", E::Port),
            ("https://tom.example.org/a/../b", E::Path),
            ("https://tom.example.org/a//b", E::Path),
            ("https://tom.example.org/?x=1", E::Path),
            ("https://tom.example.org/a%2fb", E::Path),
            ("https://tom.example.org/a\r\nHost: x", E::Path),
        ] {
            assert_eq!(text.parse::<InstanceUrl>(), Err(why), "{text}");
        }
        let long = format!("https://tom.example.org/{}", "a".repeat(INSTANCE_URL_BYTES_MAX));
        assert_eq!(long.parse::<InstanceUrl>(), Err(E::TooLong));
    }

    #[test]
    fn only_this_machine_is_loopback() {
        let loopback = |text: &str| text.parse::<InstanceUrl>().expect(text).is_loopback();
        for here in ["http://127.0.0.1:1", "http://127.9.9.9", "http://[::1]", "http://localhost"] {
            assert!(loopback(here), "{here}");
        }
        for there in ["http://10.0.0.1", "http://127.0.0.1.example.org", "http://localhost.org"] {
            assert!(!loopback(there), "{there}");
        }
    }

    #[test]
    fn a_pin_is_read_with_and_without_colons() {
        let plain = "0a".repeat(32);
        let colons = vec!["0A"; 32].join(":");
        assert_eq!(plain.parse::<CertificatePin>(), colons.parse());
        assert_eq!(plain.parse::<CertificatePin>().map(String::from), Ok(plain.clone()));
        for wrong in ["", &plain[1..], &format!("{plain}0"), &"0g".repeat(32), &"é".repeat(32)] {
            assert_eq!(wrong.parse::<CertificatePin>(), Err(CertificatePinError), "{wrong}");
        }
    }
}
