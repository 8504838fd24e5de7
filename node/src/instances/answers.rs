//! What instances answer, taken out of their JSON: strict in what is relied on, lenient in the rest.

use protocol::{
    Time,
    control::{INSTANCE_JOBS_MAX, INSTANCE_TEXT_BYTES_MAX},
};
use serde_json::Value;

/// Most archives that are looked at in one answer.
const ARCHIVES_MAX: usize = 100_000;

/// Most missing parts that are taken from one answer; the rest are asked for later.
const MISSING_MAX: usize = 100_000;

/// The longest id of an upload.
const UPLOAD_ID_BYTES_MAX: usize = 64;

/// How an instance is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// What it calls itself.
    pub instance_name: Option<String>,
    /// Its version.
    pub version: Option<String>,
}

/// A job of an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Its number.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: String,
    /// Whether it runs by itself.
    pub enabled: bool,
    /// Its last run: none when the instance does not tell, an empty one when there was none.
    pub last_run: Option<Option<Run>>,
}

/// A run of a job of an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Its number.
    pub id: u64,
    /// How it stands.
    pub status: String,
    /// When it began.
    pub started: Option<Time>,
    /// When it ended.
    pub finished: Option<Time>,
    /// What it made.
    pub archive_name: Option<String>,
    /// How large that is.
    pub size_bytes: Option<u64>,
}

/// A run has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Started {
    /// Its number, when it was told.
    pub run: Option<u64>,
}

/// An archive of an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Archive {
    /// Its name, without an ending.
    pub name: String,
    /// Its size.
    pub size_bytes: Option<u64>,
    /// The SHA-256 of its tar, lower-case hex.
    pub sha256: Option<String>,
}

/// An upload as the instance sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Upload {
    /// Its id; safe in a path.
    pub id: Option<String>,
    /// The size of its parts.
    pub part_bytes: Option<u64>,
    /// How large it is in all.
    pub total_bytes: Option<u64>,
    /// Numbers of missing parts, when they are told.
    pub missing: Option<Vec<u32>>,
    /// `pending`, `in_progress`, `complete`, `error` …
    pub status: Option<String>,
    /// The SHA-256 that the instance found or was told.
    pub sha256: Option<String>,
}

/// What of an answer makes no sense.
pub(super) type Odd = &'static str;

pub(super) fn health(json: &Value) -> Result<Health, Odd> {
    if !json.is_object() {
        return Err("it is no object");
    }
    Ok(Health { instance_name: text(json, "instance_name"), version: text(json, "version") })
}

pub(super) fn jobs(json: &Value) -> Result<Vec<Job>, Odd> {
    let jobs = list(json, "jobs").ok_or("it has no list of jobs")?;
    jobs.iter().take(INSTANCE_JOBS_MAX).map(job).collect()
}

fn job(json: &Value) -> Result<Job, Odd> {
    let last_run =
        json.get("last_run").map(|run| if run.is_object() { one_run(run).ok() } else { None });
    Ok(Job {
        id: number(json, "id").ok_or("a job has no number")?,
        name: text(json, "name").ok_or("a job has no name")?,
        kind: text(json, "type").unwrap_or_default(),
        enabled: flag(json, "enabled").unwrap_or(true),
        last_run,
    })
}

pub(super) fn runs(json: &Value) -> Result<Vec<Run>, Odd> {
    let runs = list(json, "runs").ok_or("it has no list of runs")?;
    runs.iter().take(INSTANCE_JOBS_MAX).map(one_run).collect()
}

fn one_run(json: &Value) -> Result<Run, Odd> {
    Ok(Run {
        id: number(json, "id").ok_or("a run has no number")?,
        status: text(json, "status").unwrap_or_default(),
        started: time(json, "started_at"),
        finished: time(json, "finished_at"),
        archive_name: text(json, "archive_name"),
        size_bytes: number(json, "size_bytes"),
    })
}

pub(super) fn started(json: &Value) -> Started {
    Started { run: number(json, "run_id").or_else(|| number(json, "id")) }
}

pub(super) fn archives(json: &Value) -> Result<Vec<Archive>, Odd> {
    let archives = list(json, "archives").ok_or("it has no list of archives")?;
    let one = |json: &Value| Archive {
        name: text(json, "name").unwrap_or_default(),
        size_bytes: number(json, "size_bytes"),
        sha256: digest(json, "sha256"),
    };
    Ok(archives.iter().take(ARCHIVES_MAX).map(one).collect())
}

pub(super) fn upload(json: &Value) -> Result<Upload, Odd> {
    if !json.is_object() {
        return Err("it is no object");
    }
    let id = match json.get("upload_id").or_else(|| json.get("id")) {
        None | Some(Value::Null) => None,
        Some(Value::String(id)) => Some(id.clone()),
        Some(Value::Number(id)) => Some(id.to_string()),
        Some(_) => return Err("the upload's id is no text"),
    };
    let safe = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    let fits = |id: &String| (1..=UPLOAD_ID_BYTES_MAX).contains(&id.len()) && id.bytes().all(safe);
    if id.as_ref().is_some_and(|id| !fits(id)) {
        return Err("the upload's id cannot be part of an address");
    }
    let missing = match json.get("missing") {
        None | Some(Value::Null) => None,
        Some(Value::Array(parts)) => {
            let part = |part: &Value| part.as_u64().and_then(|n| u32::try_from(n).ok());
            let parts = parts.iter().take(MISSING_MAX).map(part).collect::<Option<Vec<u32>>>();
            Some(parts.ok_or("a missing part has no number")?)
        }
        Some(_) => return Err("the missing parts are no list"),
    };
    Ok(Upload {
        id,
        part_bytes: number(json, "chunk_size"),
        total_bytes: number(json, "total_size"),
        missing,
        status: text(json, "status"),
        sha256: digest(json, "checksum").or_else(|| digest(json, "sha256")),
    })
}

/// The list under a name, or the answer itself when that is one.
fn list<'a>(json: &'a Value, name: &str) -> Option<&'a Vec<Value>> {
    json.as_array().or_else(|| json.get(name)?.as_array())
}

/// A text that is not empty, cut at a character, without what a terminal would act on.
fn text(json: &Value, name: &str) -> Option<String> {
    let text = json.get(name)?.as_str()?;
    let mut end = text.len().min(INSTANCE_TEXT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let text: String = text[..end].chars().map(plain).collect();
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

fn number(json: &Value, name: &str) -> Option<u64> {
    json.get(name)?.as_u64()
}

/// In `SQLite` a truth is a number.
fn flag(json: &Value, name: &str) -> Option<bool> {
    let value = json.get(name)?;
    value.as_bool().or_else(|| value.as_u64().map(|n| n != 0))
}

fn digest(json: &Value, name: &str) -> Option<String> {
    let text = json.get(name)?.as_str()?;
    let is_digest = text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
    is_digest.then(|| text.to_ascii_lowercase())
}

/// A time with an offset, or one without, which is taken for UTC.
fn time(json: &Value, name: &str) -> Option<Time> {
    let text = json.get(name)?.as_str()?;
    let at = text.parse::<jiff::Timestamp>().ok().or_else(|| {
        let civil = text.parse::<jiff::civil::DateTime>().ok()?;
        civil.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
    })?;
    u64::try_from(at.as_millisecond()).ok().map(Time)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_may_be_missing_may_be_missing() {
        let jobs = jobs(&json!({"jobs": [
            {"id": 1, "name": "a", "enabled": 0},
            {"id": 2, "name": "b", "type": "mysql", "last_run": null},
            {"id": 3, "name": "c", "last_run": {
                "id": 7, "status": "success", "started_at": "2026-05-08T03:00:00+02:00",
                "finished_at": "2026-05-08T03:00:00", "archive_name": "x", "size_bytes": 5}},
        ]}));
        let jobs = jobs.expect("they are jobs");
        assert_eq!((jobs[0].enabled, jobs[0].last_run.is_none()), (false, true));
        assert_eq!((jobs[1].kind.as_str(), &jobs[1].last_run), ("mysql", &Some(None)));
        let run = jobs[2].last_run.clone().flatten().expect("it ran");
        assert_eq!(run.started, Some(Time(1_778_202_000_000)));
        assert_eq!(run.finished, Some(Time(1_778_209_200_000)));
        assert_eq!(runs(&json!([{"id": 7}])).expect("a run")[0].id, 7);
    }

    #[test]
    fn what_is_relied_on_must_be_there_and_make_sense() {
        assert!(health(&json!([])).is_err());
        for wrong in [json!({}), json!({"jobs": {}}), json!({"jobs": [{"name": "a"}]})] {
            assert!(jobs(&wrong).is_err(), "{wrong}");
        }
        for wrong in [
            json!({"upload_id": "../x"}),
            json!({"upload_id": "a/b"}),
            json!({"upload_id": ""}),
            json!({"upload_id": "a".repeat(65)}),
            json!({"upload_id": {}}),
            json!({"upload_id": "a", "missing": 3}),
            json!({"upload_id": "a", "missing": [-1]}),
            json!({"upload_id": "a", "missing": [4_294_967_296_u64]}),
        ] {
            assert!(upload(&wrong).is_err(), "{wrong}");
        }
        let good = upload(&json!({"upload_id": 12, "missing": [1, 2], "chunk_size": 9}));
        let good = good.expect("an upload");
        assert_eq!((good.id.as_deref(), good.part_bytes), (Some("12"), Some(9)));
        assert_eq!(good.missing, Some(vec![1, 2]));
    }

    #[test]
    fn texts_are_cut_and_harmless() {
        let long = "é".repeat(INSTANCE_TEXT_BYTES_MAX);
        let health = health(&json!({"version": long, "instance_name": "a\u{1b}[31m\n"}));
        let health = health.expect("an object");
        assert_eq!(health.version.map(|v| v.len()), Some(INSTANCE_TEXT_BYTES_MAX));
        assert_eq!(health.instance_name.as_deref(), Some("a [31m"));
    }
}
