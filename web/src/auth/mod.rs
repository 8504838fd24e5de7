//! Who may ask: a key in `X-BackupManager-Key`, on every path of the API.
//!
//! A key is 64 hex digits. The node checks it slowly (it keeps a bcrypt hash), so a good one is
//! *remembered* for an hour, or until keys are made or revoked. Whatever is wrong with a key, the
//! answer is the same 401. Failures are counted by [`Address`]; behind too many of them the answer
//! is 429, except for a key that is remembered.

mod address;
mod browser;
mod checks;
mod failures;
mod remembered;

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    extract::{Request, State as Given},
    http::HeaderMap,
    middleware::Next,
    response::{IntoResponse, Response},
};
use protocol::control::ApiKey;

pub(crate) use address::{Address, Peer};
use checks::{Checks, Verdict};
use failures::{Failures, Wrong};
use remembered::Remembered;

use crate::{Access, ApiError, Backend, State};

/// The header that a key is sent in.
const KEY_HEADER: &str = "x-backupmanager-key";

/// Under which path a key is needed.
const API: &str = "/api";

/// The door of the API.
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
    ) -> Result<Access, ApiError> {
        let now = Instant::now();
        let Some(key) = key(headers) else {
            let counted = self.failures.take(from, Wrong::Shape, now);
            return Err(counted.err().map_or_else(ApiError::unauthorized, later));
        };
        let (mark, epoch) = (self.remembered.mark(&key), backend.keys_epoch());
        if let Some(access) = self.remembered.get(&mark, epoch, now) {
            return Ok(access);
        }
        let check = async {
            if let Err(wait) = self.failures.take(from, Wrong::Key, now) {
                return Verdict::Later(seconds(wait));
            }
            let Some(access) = self.checks.ask(backend, key).await else { return Verdict::Wrong };
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
fn key(headers: &HeaderMap) -> Option<ApiKey> {
    let mut all = headers.get_all(KEY_HEADER).iter();
    let key = all.next()?.to_str().ok()?.parse().ok()?;
    all.next().is_none().then_some(key)
}

/// Lets through what needs no key or has a good one; handlers find the [`Access`] in the request.
pub(crate) async fn only_with_key(
    Given(state): Given<State>,
    mut request: Request,
    next: Next,
) -> Response {
    let path = request.uri().path();
    if path != API && !path.starts_with("/api/") {
        return next.run(request).await;
    }
    let peer = request.extensions().get::<Peer>().copied().unwrap_or(Peer::Unix);
    let from = peer.address(request.headers());
    let typed = browser::may_ask(&request);
    if typed {
        browser::take_key(request.headers_mut());
    }
    match state.gate.admit(&state.backend, request.headers(), from).await {
        Ok(access) => {
            request.extensions_mut().insert(access);
            next.run(request).await
        }
        Err(error) => browser::asked(error.into_response(), typed),
    }
}
