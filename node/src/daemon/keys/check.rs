//! Whether a key is one of ours, at the same price for every text.

use std::{sync::Arc, time::Duration};

use bcrypt::BcryptError;
use protocol::{Time, control::ApiKey};
use tracing::warn;

use super::ApiKeys;
use crate::{db::KeyRow, sys};

/// The work of a hash, 2 to its power. bcrypt makes guessing slow; nobody guesses 224 random bits,
/// so it need not be slower than what people expect of bcrypt. Measured on one x86 core: 8 is
/// 16 ms, 10 is 59 ms, 12 is 265 ms. A small ARM server has several times that, once for each
/// client, and a flood of wrong keys takes it from the backups.
const COST: u32 = 10;

/// The hash of a text that was thrown away, for ids that nobody has.
const NOBODY: &str = "$2b$10$xUtCcuYT3wnOPNsgu6UNduTlg9TmWKs.ZMpEFuu3VRZFuk1qCa0fm";

/// How often the use of a key is noted at most.
const USE_NOTED_EVERY: Duration = Duration::from_secs(3_600);

/// Whose key it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::daemon) struct Checked {
    /// Its id.
    pub(in crate::daemon) id: String,
    /// It may look and change nothing.
    pub(in crate::daemon) read_only: bool,
    /// It may read the metrics and nothing else.
    pub(in crate::daemon) metrics_only: bool,
}

/// The hash of a new key.
pub(super) fn hash(key: &ApiKey) -> Result<String, BcryptError> {
    bcrypt::hash(key.reveal(), COST)
}

impl ApiKeys {
    /// Whose key this is; none for one that is unknown or was revoked, also while it was checked.
    pub(in crate::daemon) async fn check(self: Arc<Self>, key: ApiKey) -> Option<Checked> {
        let turn = Arc::clone(&self.checks).acquire_owned().await.ok()?;
        // The turn goes with the work: it ends with it, not with a client that hangs up.
        let checked = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            self.check_here(&key, sys::now())
        });
        checked.await.ok()?
    }

    pub(super) fn check_here(&self, key: &ApiKey, now: Time) -> Option<Checked> {
        let stored = self.rows().get(key.id()).map(|row| row.hash.clone());
        let fits = fits(key, stored.as_deref());
        self.confirm(key.id(), &stored.filter(|_| fits)?, now)
    }

    /// Whether the key is still there whose hash was found to fit: a check takes a while.
    pub(super) fn confirm(&self, id: &str, hash: &str, now: Time) -> Option<Checked> {
        let row = self.rows().get(id).filter(|row| row.hash == hash).cloned()?;
        if is_to_note(row.used, now) {
            self.note_use(id, now);
        }
        let KeyRow { read_only, metrics_only, .. } = row;
        Some(Checked { id: id.to_owned(), read_only, metrics_only })
    }

    /// A use that cannot be noted is no reason to refuse the client.
    fn note_use(&self, id: &str, now: Time) {
        if let Err(error) = self.db.use_api_key(id, now) {
            warn!(%error, key.id = id, "the use of a key is not noted");
        }
        if let Some(row) = self.rows().get_mut(id) {
            row.used = Some(now);
        }
    }
}

/// Costs one bcrypt, whether there is a row or not.
fn fits(key: &ApiKey, stored: Option<&str>) -> bool {
    let same = bcrypt::verify(key.reveal(), stored.unwrap_or(NOBODY));
    stored.is_some() && same.unwrap_or(false)
}

/// Also when the clock went back: what is noted lies in the future then.
fn is_to_note(used: Option<Time>, now: Time) -> bool {
    used.is_none_or(|used| used > now || now.since(used) >= USE_NOTED_EVERY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_nobody_has_costs_the_same_work() {
        let parts: bcrypt::HashParts = NOBODY.parse().unwrap();
        assert_eq!(parts.get_cost(), COST);
        let key: ApiKey = "0123456789abcdef".repeat(4).parse().unwrap();
        let own: bcrypt::HashParts = hash(&key).unwrap().parse().unwrap();
        assert_eq!(own.get_cost(), COST);
        assert!(!fits(&key, None));
    }

    #[test]
    fn a_use_is_noted_once_an_hour_and_when_the_clock_went_back() {
        let hour = 3_600_000;
        assert!(is_to_note(None, Time(5)));
        assert!(!is_to_note(Some(Time(5)), Time(5 + hour - 1)));
        assert!(is_to_note(Some(Time(5)), Time(5 + hour)));
        assert!(is_to_note(Some(Time(6)), Time(5)));
    }
}
