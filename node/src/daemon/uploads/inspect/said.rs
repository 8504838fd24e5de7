//! What an archive says of itself. Nothing here is trusted to be true: it decides what the archive
//! is called and how a restore of it is planned, which a person sees first.

use jiff::{civil::DateTime, tz::TimeZone};
use protocol::{Time, job::PATH_BYTES_MAX};
use serde_json::Value;

use crate::ingest::{PAYLOAD_PREFIX, TarReport};

/// Kinds that are believed.
const KINDS: [&str; 5] = ["ynh_app", "ynh_system", "custom_dir", "mysql", "postgresql"];

/// The kind of a tar that does not say what it is: its files can be restored, and no more.
const UNSAID: &str = "tar";

/// What members say by where they are.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// The longest path that everything under the payload's folder has in common.
    payload: Option<Vec<u8>>,
}

impl Said {
    /// A member.
    pub(super) fn member(&mut self, path: &[u8]) {
        let below = path.strip_prefix(PAYLOAD_PREFIX.as_bytes());
        let Some(below) = below.and_then(|below| below.strip_prefix(b"/")) else { return };
        self.payload = Some(match self.payload.take() {
            None => below[..below.len().min(PATH_BYTES_MAX)].to_vec(),
            Some(common) => shared(&common, below).to_vec(),
        });
    }

    /// The kind, what was backed up, and when.
    pub(super) fn conclude(
        self,
        report: &TarReport,
        now: Time,
    ) -> (&'static str, Vec<u8>, Option<Time>) {
        let read = |text: &Option<Vec<u8>>| -> Value {
            let read = text.as_deref().and_then(|text| serde_json::from_slice(text).ok());
            read.unwrap_or_default()
        };
        let (info, ours) = (read(&report.info_json), read(&report.backup_info));
        let kind = self.kind(&info, &ours);
        let source = match kind {
            "custom_dir" => [b"/", self.payload.unwrap_or_default().as_slice()].concat(),
            "ynh_app" => apps(&info).next().or(ours["app"].as_str()).map(text).unwrap_or_default(),
            "ynh_system" => b"the system".to_vec(),
            UNSAID => Vec::new(),
            _ => databases(&ours),
        };
        let created = created(&info, &ours).filter(|at| *at <= now);
        (kind, source, created)
    }

    fn kind(&self, info: &Value, ours: &Value) -> &'static str {
        let said = ours["type"].as_str();
        if let Some(kind) = KINDS.iter().find(|kind| Some(**kind) == said) {
            return kind;
        }
        let parts = info["system"].as_object().map_or(0, serde_json::Map::len);
        match (apps(info).count(), parts) {
            (1, 0) => "ynh_app",
            (0, 0) if self.payload.is_some() => "custom_dir",
            (0, 0) => UNSAID,
            _ => "ynh_system",
        }
    }
}

/// The components that two paths begin with.
fn shared<'a>(one: &'a [u8], two: &[u8]) -> &'a [u8] {
    let same = one.iter().zip(two).take_while(|(a, b)| a == b).count();
    let ends = |path: &[u8]| path.get(same).is_none_or(|byte| *byte == b'/');
    if ends(one) && ends(two) {
        return &one[..same];
    }
    let slash = one[..same].iter().rposition(|byte| *byte == b'/');
    &one[..slash.unwrap_or(0)]
}

fn apps(info: &Value) -> impl Iterator<Item = &str> {
    info["apps"].as_object().into_iter().flat_map(|apps| apps.keys().map(String::as_str))
}

fn databases(ours: &Value) -> Vec<u8> {
    let names = ours["databases"].as_array().into_iter().flatten();
    let names: Vec<_> = names.filter_map(|database| database["name"].as_str()).collect();
    text(&if names.is_empty() {
        ours["app"].as_str().unwrap_or_default().to_owned()
    } else {
        names.join(", ")
    })
}

/// Within bounds, and without what would move a cursor.
fn text(text: &str) -> Vec<u8> {
    let plain: String = text.chars().filter(|c| !c.is_control()).collect();
    plain.as_bytes()[..plain.floor_char_boundary(PATH_BYTES_MAX)].to_vec()
}

/// YunoHost says seconds since 1970, 000 local time without an offset.
fn created(info: &Value, ours: &Value) -> Option<Time> {
    let seconds = info["created_at"].as_f64().filter(|seconds| (1.0..1e11).contains(seconds));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked above")]
    let seconds = seconds.map(|seconds| Time((seconds * 1_000.0) as u64));
    seconds.or_else(|| {
        let local: DateTime = ours["created_at"].as_str()?.parse().ok()?;
        let at = local.to_zoned(TimeZone::system()).ok()?.timestamp().as_millisecond();
        u64::try_from(at).ok().map(Time)
    })
}
