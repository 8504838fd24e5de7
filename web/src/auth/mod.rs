//! Who may ask: a key in `X-BackupManager-Key`, on every path of the API.
//!
//! A key is 64 hex digits. The node checks it slowly (it keeps a bcrypt hash), so a good one is
//! *remembered* for an hour, or until keys are made or revoked. Whatever is wrong with a key, the
//! answer is the same 401. Failures are counted by [`Address`]; behind too many of them the answer
//! is 429, except for a key that is remembered.
//!
//! The metrics have a [`Door`] of their own: keys that may read nothing else open that one alone,
//! and there a key may also come as `Authorization: Bearer`, which is all that Prometheus can send.
//! A request that goes on for long keeps its [`Standing`], and ends with its key.

mod address;
mod browser;
mod checks;
mod failures;
mod remembered;
mod standing;

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    extract::{Request, State as Given},
    http::{HeaderMap, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use protocol::control::ApiKey;

pub(crate) use address::{Address, Peer};
use checks::{Checks, Verdict};
use failures::{Failures, Wrong};
use remembered::Remembered;
pub(crate) use standing::Standing;

use crate::{Access, ApiError, Backend, State};

/// The header that a key is sent in.
const KEY_HEADER: &str = "x-backupmanager-key";

/// Under which path a key is needed.
const API: &str = "/api";

/// Where the metrics are read: outside of the API, and inside.
pub(crate) const METRICS: [&str; 2] = ["/metrics", "/api/v1/metrics"];

/// What a key opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// Everything under [`API`].
    Api,
    /// The metrics.
    Metrics,
}

impl Door {
    /// The door that a path lies behind; none for one that needs no key.
    fn of(path: &str) -> Option<Self> {
        if METRICS.contains(&path) {
            return Some(Self::Metrics);
        }
        (path == API || path.starts_with("/api/")).then_some(Self::Api)
    }
}

/// The doors of the server.
pub(crate) struct Gate {
    remembered: Remembered,
    failures: Failures,
    checks: Checks,
}

impl Gate {
    /// Knows nobody yet.
    pub(crate) fn new() -> io::Result<Self> {
        let remembered = Remembered::new()?;
        Ok(Self { remembered, failures: Failures::default(), checks: Checks::new() })
    }

    /// Whose request this is.
    ///
    /// # Errors
    /// Nobody's: 401, or 429 when that address was wrong too often.
    pub(crate) async fn admit(
        &self,
        backend: &Arc<dyn Backend>,
        headers: &HeaderMap,
        from: Address,
        door: Door,
    ) -> Result<Access, ApiError> {
        let Some(key) = key(headers, door) else {
            let counted = self.failures.take(from, Wrong::Shape, Instant::now());
            return Err(counted.err().map_or_else(ApiError::unauthorized, later));
        };
        self.check(backend, key, from, door).await
    }

    /// Whose key this is, at a door.
    async fn check(
        &self,
        backend: &Arc<dyn Backend>,
        key: ApiKey,
        from: Address,
        door: Door,
    ) -> Result<Access, ApiError> {
        let now = Instant::now();
        let (mark, epoch) = (self.remembered.mark(&key, door), backend.keys_epoch());
        if let Some(access) = self.remembered.get(&mark, epoch, now) {
            return Ok(access);
        }
        let check = async {
            if let Err(wait) = self.failures.take(from, Wrong::Key, now) {
                return Verdict::Later(seconds(wait));
            }
            let Some(access) = self.checks.ask(backend, key, door).await else {
                return Verdict::Wrong;
            };
            self.failures.give_back(from, Wrong::Key);
            self.remembered.put(mark, access.clone(), epoch, Instant::now());
            Verdict::Good(access)
        };
        match self.checks.share((mark, from), check).await {
            Verdict::Good(access) => Ok(access),
            Verdict::Wrong => Err(ApiError::unauthorized()),
            Verdict::Later(seconds) => Err(ApiError::too_many(seconds)),
        }
    }
}

fn later(wait: Duration) -> ApiError {
    ApiError::too_many(seconds(wait))
}

/// Whole seconds, and never none: a client that waits so long finds the place free.
fn seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

/// The one key of a request; none when there are two.
fn key(headers: &HeaderMap, door: Door) -> Option<ApiKey> {
    let bearer = headers.get_all(header::AUTHORIZATION).iter().filter(|_| door == Door::Metrics);
    let keys = headers.get_all(KEY_HEADER).iter().map(|value| value.to_str().ok());
    let mut all = keys.chain(bearer.map(|value| told_by_bearer(value.to_str().ok()?)));
    let key = all.next()??.parse().ok()?;
    all.next().is_none().then_some(key)
}

fn told_by_bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_start())
}

/// Lets through what needs no key or has a good one; handlers find the [`Access`] in the request.
pub(crate) async fn only_with_key(
    Given(state): Given<State>,
    mut request: Request,
    next: Next,
) -> Response {
    let Some(door) = Door::of(request.uri().path()) else { return next.run(request).await };
    let peer = request.extensions().get::<Peer>().copied().unwrap_or(Peer::Unix);
    let from = peer.address(request.headers());
    let typed = browser::may_ask(&request);
    if typed {
        browser::take_key(request.headers_mut());
    }
    match state.gate.admit(&state.backend, request.headers(), from, door).await {
        Ok(access) => {
            request.extensions_mut().insert(access);
            next.run(request).await
        }
        Err(error) => browser::asked(error.into_response(), typed),
    }
}
