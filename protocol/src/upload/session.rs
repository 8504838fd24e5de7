//! How an upload stands.

use serde::{Deserialize, Serialize};

use super::{
    AGE_MAX, EXPIRES_AFTER, REASON_BYTES_MAX, SESSION_BYTES_MAX, Spec, SpecError,
    received::Received,
};
use crate::{
    Time,
    cbor::{self, CborError},
};

/// How far an upload is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// Parts are coming, or all have come.
    Open,
    /// All have come and are being checked and taken in. It is stored as open: whatever stopped
    /// that, it can be asked for again.
    Finishing,
    /// It is an archive.
    Complete,
    /// What came is not what was said, or no archive that can be taken in.
    Refused {
        /// Why.
        why: String,
    },
}

/// What to do with a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Write it there.
    New {
        /// Where in the file it begins.
        offset: u64,
        /// How long it is.
        bytes: u64,
    },
    /// It is here: look only whether it is as long.
    Known {
        /// How long it is.
        bytes: u64,
    },
}

/// A part that is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PartError {
    /// The upload is being finished, or over.
    #[error("the upload takes no more parts")]
    Over,
    /// There is no part of that number.
    #[error("there is no part {number}: the upload has {parts}, counted from 0")]
    Number {
        /// The number.
        number: u32,
        /// How many there are.
        parts: u32,
    },
    /// Longer or shorter than it must be.
    #[error("part {number} must have {wanted} bytes, this one has {found}")]
    Bytes {
        /// The number.
        number: u32,
        /// What it must have.
        wanted: u64,
        /// What it has, or at least has.
        found: u64,
    },
}

/// An upload that cannot be finished now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FinishError {
    /// Some have not come.
    #[error("{missing} of {parts} parts have not come, the first is {first}")]
    Missing {
        /// How many.
        missing: u32,
        /// Of how many.
        parts: u32,
        /// The first.
        first: u32,
    },
    /// It is being finished, or over.
    #[error("the upload is being finished, or has ended")]
    Over,
}

/// A stored session that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// Not one, or too large.
    #[error(transparent)]
    Shape(#[from] CborError),
    /// It says what no upload can say.
    #[error("the stored upload breaks a bound")]
    Spec(#[from] SpecError),
    /// Its bits are not those of its parts.
    #[error("the stored upload does not say which of its parts came")]
    Parts,
}

/// One upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    spec: Spec,
    received: Received,
    state: State,
    started: Time,
    touched: Time,
}

/// As it is stored.
#[derive(Serialize, Deserialize)]
struct Stored {
    filename: String,
    total_bytes: u64,
    part_bytes: u64,
    #[serde(with = "serde_bytes")]
    sha256: [u8; 32],
    #[serde(with = "serde_bytes")]
    received: Vec<u8>,
    state: State,
    started: Time,
    touched: Time,
}

impl Session {
    /// One that begins now.
    #[must_use]
    pub fn new(spec: Spec, now: Time) -> Self {
        let received = Received::none(spec.parts());
        Self { spec, received, state: State::Open, started: now, touched: now }
    }

    /// What it is of.
    #[must_use]
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// How far it is.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Whether it is over, one way or the other.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        matches!(self.state, State::Complete | State::Refused { .. })
    }

    /// When it was begun.
    #[must_use]
    pub fn started(&self) -> Time {
        self.started
    }

    /// How many parts came.
    #[must_use]
    pub fn received(&self) -> u32 {
        self.received.count()
    }

    /// Those that have not, ascending.
    pub fn missing(&self) -> impl Iterator<Item = u32> {
        self.received.missing()
    }

    /// Bytes that are promised and have not come; none once it is over.
    #[must_use]
    pub fn awaited_bytes(&self) -> u64 {
        if self.has_ended() {
            return 0;
        }
        let spec = &self.spec;
        let last = spec.parts() - 1;
        let full = u64::from(self.received.count()) * spec.part_bytes();
        // The last part is as short as it is.
        let short = spec.part(last).filter(|_| self.received.has(last));
        let here = full - short.map_or(0, |(_, bytes)| spec.part_bytes() - bytes);
        spec.total_bytes() - here
    }

    /// Looks at a part before its bytes come. `bytes` is how many its sender says it has.
    ///
    /// # Errors
    /// When it cannot be taken.
    pub fn admits(&self, number: u32, bytes: Option<u64>) -> Result<Admission, PartError> {
        let parts = self.spec.parts();
        let (offset, wanted) = self.spec.part(number).ok_or(PartError::Number { number, parts })?;
        if let Some(found) = bytes.filter(|found| *found != wanted) {
            return Err(PartError::Bytes { number, wanted, found });
        }
        if self.has_ended() {
            return Err(PartError::Over);
        }
        if self.received.has(number) {
            return Ok(Admission::Known { bytes: wanted });
        }
        Ok(Admission::New { offset, bytes: wanted })
    }

    /// Notes that a part is durable.
    ///
    /// # Errors
    /// When it cannot be taken.
    pub fn receive(&mut self, number: u32, now: Time) -> Result<(), PartError> {
        if let Admission::New { .. } = self.admits(number, None)? {
            if self.state != State::Open {
                return Err(PartError::Over);
            }
            self.received.insert(number);
            self.touched = self.touched.max(now);
        }
        Ok(())
    }

    /// Begins to check it.
    ///
    /// # Errors
    /// When parts are missing, or it is not open.
    pub fn begin_finish(&mut self) -> Result<(), FinishError> {
        if self.state != State::Open {
            return Err(FinishError::Over);
        }
        if let Some(first) = self.missing().next() {
            let parts = self.spec.parts();
            let missing = parts - self.received.count();
            return Err(FinishError::Missing { missing, parts, first });
        }
        self.state = State::Finishing;
        Ok(())
    }

    /// Checking stopped and nothing came of it: it can be asked for again.
    pub fn reopen(&mut self) {
        if self.state == State::Finishing {
            self.state = State::Open;
        }
    }

    /// It became an archive.
    pub fn complete(&mut self, now: Time) {
        self.end(State::Complete, now);
    }

    /// It will not become one.
    pub fn refuse(&mut self, why: &str, now: Time) {
        let why = why[..why.floor_char_boundary(REASON_BYTES_MAX)].to_owned();
        self.end(State::Refused { why }, now);
    }

    fn end(&mut self, state: State, now: Time) {
        if !self.has_ended() {
            self.state = state;
            self.touched = self.touched.max(now);
        }
    }

    /// When it is dropped if nothing more comes.
    #[must_use]
    pub fn expires(&self) -> Time {
        let next = self.touched.after(EXPIRES_AFTER);
        if self.has_ended() { next } else { next.min(self.started.after(AGE_MAX)) }
    }

    /// Whether it shall be dropped: never while it is being finished.
    #[must_use]
    pub fn is_expired(&self, now: Time) -> bool {
        self.state != State::Finishing && now >= self.expires()
    }

    /// As it is stored.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let state = match &self.state {
            State::Finishing => State::Open,
            state => state.clone(),
        };
        cbor::encode(&Stored {
            filename: self.spec.filename().to_owned(),
            total_bytes: self.spec.total_bytes(),
            part_bytes: self.spec.part_bytes(),
            sha256: *self.spec.sha256(),
            received: self.received.bits().to_vec(),
            state,
            started: self.started,
            touched: self.touched,
        })
    }

    /// Reads what [`Self::encode`] wrote.
    ///
    /// # Errors
    /// When it is not that.
    pub fn decode(bytes: &[u8]) -> Result<Self, SessionError> {
        let stored: Stored = cbor::decode("upload", bytes, SESSION_BYTES_MAX)?;
        let Stored { filename, total_bytes, part_bytes, sha256, .. } = stored;
        let spec = Spec::of(&filename, total_bytes, part_bytes, sha256)?;
        let received = Received::from_bits(spec.parts(), stored.received);
        let received = received.ok_or(SessionError::Parts)?;
        let state = match stored.state {
            State::Finishing => State::Open,
            state => state,
        };
        let (started, touched) = (stored.started, stored.touched);
        Ok(Self { spec, received, state, started, touched })
    }
}
