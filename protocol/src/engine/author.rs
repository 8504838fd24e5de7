//! This node as an author: its versions, and what it publishes.

use super::{Engine, EngineError, Event, Output};
use crate::{
    Entropy, NodeId, Time,
    catalog::Catalog,
    key::NodeSecret,
    record::{Fact, Invitation, Progress, Record, RecordKey, Role, Version},
};

/// How far a new epoch may lie beyond the last known one where the clock does not help: two lives
/// of one node, both after the same old copy and with a clock that stands still, then hardly ever
/// take the same epoch.
const EPOCH_LEAP_MAX: u64 = 1 << 16;

/// What this node needs to write records.
pub(super) struct Own {
    secret: NodeSecret,
    /// The last version that was given away in this epoch; `seq` 0 when none was yet.
    last: Version,
    previous: Version,
    /// Whether a peer has shown that it knows nothing of this node that is not here.
    pub(super) known: bool,
    /// A record of this node with a later epoch came from elsewhere.
    overtaken: Option<u64>,
    /// Own records that came from elsewhere since the last [`Event::OwnHistoryLearned`].
    learned: usize,
}

impl Own {
    pub(super) fn begin(
        secret: NodeSecret,
        catalog: &Catalog,
        now: Time,
        entropy: &mut impl Entropy,
    ) -> Self {
        let previous = catalog.head(&secret.id()).newest;
        let last = Version { epoch: epoch_after(previous.epoch, now, entropy), seq: 0 };
        Self { secret, last, previous, known: false, overtaken: None, learned: 0 }
    }

    pub(super) fn id(&self) -> NodeId {
        self.secret.id()
    }

    fn next(&self) -> Result<Version, EngineError> {
        let seq = self.last.seq.checked_add(1).ok_or(EngineError::NoVersionLeft)?;
        Ok(Version { seq, ..self.last })
    }

    fn given(&mut self, version: Version) {
        (self.last, self.previous) = (version, version);
    }

    /// Takes note of a record of this node that somebody else had.
    fn learn(&mut self, version: Version) {
        self.learned += 1;
        if version > self.last {
            self.overtaken = Some(self.overtaken.unwrap_or(0).max(version.epoch));
        }
    }

    /// Moves to a later epoch if another life of this node has used this one or a later one.
    pub(super) fn renew(&mut self, now: Time, entropy: &mut impl Entropy) {
        if let Some(epoch) = self.overtaken.take() {
            let epoch = epoch_after(epoch.max(self.last.epoch), now, entropy);
            self.last = Version { epoch, seq: 0 };
        }
    }
}

fn epoch_after(last: u64, now: Time, entropy: &mut impl Entropy) -> u64 {
    let leap = 1 + u64::from(u16::from_le_bytes(entropy.array())) % EPOCH_LEAP_MAX;
    last.saturating_add(leap).max(now.0).min(Version::EPOCH_MAX)
}

impl Engine {
    /// The founder's own invitation makes a mesh.
    pub(super) fn found(&mut self, now: Time) {
        let me = self.me();
        if me != self.catalog.membership().founder()
            || self.catalog.membership().ever(&me).is_some()
        {
            return;
        }
        let invitation = Invitation {
            role: Role::Operator,
            quota_bytes: None,
            name: self.name.clone(),
            exchange: self.own.secret.exchange_public(),
            time: now,
        };
        // It can fail only when the founder was expelled; then there is nothing to found.
        let _ = self.publish(&Fact::Member(me, invitation), now);
    }

    pub(super) fn publish(&mut self, fact: &Fact, now: Time) -> Result<(), EngineError> {
        if let Fact::Result(issuer, order, outcome) = fact
            && outcome.progress != Progress::Begun
        {
            self.running.remove(&(*issuer, *order));
        }
        if self.says(fact) {
            return Ok(());
        }
        self.write(&fact.key(), Some(fact.body()), now)
    }

    pub(super) fn remove(&mut self, key: &RecordKey, now: Time) -> Result<(), EngineError> {
        let feed = self.catalog.feed(&self.me());
        let held = feed.and_then(|feed| feed.get(&key.to_string()));
        match held.and_then(|held| held.record()) {
            Some(record) if record.body.is_some() => self.write(key, None, now),
            _ => Ok(()),
        }
    }

    fn write(
        &mut self,
        key: &RecordKey,
        body: Option<Vec<u8>>,
        now: Time,
    ) -> Result<(), EngineError> {
        let version = self.own.next()?;
        let record = Record {
            mesh: self.catalog.mesh(),
            author: self.me(),
            version,
            previous: self.own.previous,
            key: key.to_string(),
            time: now,
            body,
        };
        let signed = record.sign(&self.own.secret).map_err(EngineError::Record)?;
        let change = self.catalog.insert(&signed).map_err(EngineError::NotTaken)?;
        self.own.given(version);
        self.carry(&signed, change, now);
        self.spread(signed.bytes(), now);
        Ok(())
    }

    /// Takes note that a record of this node came from elsewhere.
    pub(super) fn learn_own(&mut self, version: Version) {
        self.own.learn(version);
    }

    /// Tells once what was learned of this node's own history.
    pub(super) fn tell_own_history(&mut self) {
        let records = std::mem::take(&mut self.own.learned);
        if records > 0 {
            self.outputs.push_back(Output::Event(Event::OwnHistoryLearned { records }));
        }
    }
}
