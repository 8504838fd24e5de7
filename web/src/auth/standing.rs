//! Requests that go on for as long as their client likes: they end with its key.

use axum::{extract::FromRequestParts, http::request::Parts};
use protocol::control::ApiKey;

use super::{Address, Door, Peer, key};
use crate::{ApiError, State};

/// The key that a long request came with.
pub(crate) struct Standing {
    key: ApiKey,
    from: Address,
    /// When it was found good, by the count of changes of the keys.
    epoch: Option<u64>,
}

impl FromRequestParts<State> for Standing {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &State) -> Result<Self, ApiError> {
        let key = key(&parts.headers, Door::Api).ok_or_else(ApiError::unauthorized)?;
        let peer = parts.extensions.get::<Peer>().copied().unwrap_or(Peer::Unix);
        Ok(Self { key, from: peer.address(&parts.headers), epoch: None })
    }
}

impl Standing {
    /// Whether the key is still good. It costs nothing as long as no key was made or revoked; then
    /// all requests of one key share one check.
    pub(crate) async fn holds(&mut self, state: &State) -> bool {
        let epoch = state.backend.keys_epoch();
        if self.epoch == Some(epoch) {
            return true;
        }
        let check = state.gate.check(&state.backend, self.key.clone(), self.from, Door::Api);
        // It is seldom at work, and should not make every waiting request larger.
        let good = Box::pin(check).await.is_ok();
        self.epoch = good.then_some(epoch);
        good
    }
}
