//! The ssh account of an instance, for archives that are too large for HTTP.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{RequestError, instance_url::is_host};

/// The longest name of a user.
const USER_BYTES_MAX: usize = 32;

/// The longest folder.
const PATH_BYTES_MAX: usize = 1_024;

/// The longest fingerprint of a host key.
const FINGERPRINT_BYTES_MAX: usize = 128;

/// Where archives are put by ssh. None of it has a character that a shell would act on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SshAccount {
    /// The user there.
    pub user: String,
    /// The machine.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The folder of archives there.
    pub path: String,
}

/// An account to be used from now on, and the host key that is expected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SshAdd {
    /// Which.
    pub account: SshAccount,
    /// Fingerprint of its host key; without one, the key that it shows now is taken and told.
    pub fingerprint: Option<String>,
}

/// An account as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SshReport {
    /// Which.
    pub account: SshAccount,
    /// Fingerprint of the only host key that is taken from it.
    pub fingerprint: String,
    /// This node's public key, for the `authorized_keys` of the account.
    pub public_key: String,
}

impl SshAdd {
    pub(super) fn validate(&self) -> Result<(), RequestError> {
        let SshAccount { user, host, port, path } = &self.account;
        let word = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
        let is_user = (1..=USER_BYTES_MAX).contains(&user.len())
            && user.bytes().all(word)
            && !user.starts_with(['-', '.']);
        let is_path = path.starts_with('/')
            && path.len() <= PATH_BYTES_MAX
            && path.bytes().all(|b| word(b) || b == b'/')
            && path.split('/').all(|part| part != "..");
        let is_print = self.fingerprint.as_ref().is_none_or(|print| {
            print.starts_with("SHA256:")
                && print.len() <= FINGERPRINT_BYTES_MAX
                && print.bytes().all(|b| b.is_ascii_graphic())
        });
        let wrong = [
            (is_user, "user"),
            (is_host(host) && !host.starts_with('-'), "host"),
            (*port > 0, "port"),
            (is_path, "folder"),
            (is_print, "host key"),
        ];
        match wrong.iter().find(|(fits, _)| !fits) {
            Some((_, what)) => Err(RequestError::Ssh { what }),
            None => Ok(()),
        }
    }
}

impl fmt::Display for SshAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}:{}", self.user, self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_shell_or_an_option_would_act_on_gets_through() {
        let add = |user: &str, host: &str, path: &str| SshAdd {
            account: SshAccount {
                user: user.into(),
                host: host.into(),
                port: 22,
                path: path.into(),
            },
            fingerprint: None,
        };
        assert_eq!(add("bm", "tom.example.org", "/home/yunohost.backup/a").validate(), Ok(()));
        assert_eq!(add("bm", "::1", "/a").validate(), Ok(()));
        for (wrong, what) in [
            (add("-oProxyCommand=x", "tom", "/a"), "user"),
            (add("a b", "tom", "/a"), "user"),
            (add("bm", "-tom", "/a"), "host"),
            (add("bm", "tom;x", "/a"), "host"),
            (add("bm", "tom", "a"), "folder"),
            (add("bm", "tom", "/a/../b"), "folder"),
            (add("bm", "tom", "/a $(x)"), "folder"),
            (SshAdd { fingerprint: Some("MD5:1".into()), ..add("bm", "tom", "/a") }, "host key"),
        ] {
            assert_eq!(wrong.validate(), Err(RequestError::Ssh { what }), "{wrong:?}");
        }
    }
}
