//! The answers of 000.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{KEY, Upload, World, wire::Head};

/// The part that a path is about.
pub(super) fn part_number(path: &str) -> Option<u32> {
    path.split_once("/chunk/")?.1.parse().ok()
}

pub(super) fn answer(world: &mut World, head: &Head, body: Vec<u8>) -> (u16, Vec<u8>) {
    let call = format!("{} {}", head.method, head.path);
    if let Some((_, status, body)) = world.canned.iter().find(|(what, ..)| call.starts_with(what)) {
        return (*status, body.clone());
    }
    if head.key.as_deref() != Some(KEY) {
        return json_answer(401, &json!({"error": "unauthorized", "message": "who are you?"}));
    }
    let path = head.path.split('?').next().unwrap_or_default();
    let parts: Vec<_> = path.trim_start_matches("/api/v1/").split('/').collect();
    let (status, json) = match (head.method.as_str(), parts.as_slice()) {
        ("GET", ["health"]) => (
            200,
            json!({"status": "ok", "instance_name": "tom", "version": "1.0.0",
                "instance_url": "https://tom.example.org", "yunohost_version": "12.1.17"}),
        ),
        ("GET", ["jobs"]) => (200, json!({ "jobs": world.jobs })),
        ("GET", ["jobs", id, "runs"]) => (200, runs(id)),
        ("POST", ["jobs", _, "run"]) => (202, json!({"run_id": 41})),
        ("GET", ["archives"]) => (200, archives(world)),
        ("POST", ["archives", "upload", "start"]) => start(world, &body),
        ("POST", ["archives", "upload", id, "chunk", number]) => part(world, id, number, body),
        ("GET", ["archives", "upload", id]) if !world.cannot_show => show(world, id),
        ("POST", ["archives", "upload", id, "finish"]) => finish(world, id),
        ("DELETE", ["archives", "upload", id]) => match world.uploads.remove(*id) {
            Some(_) => (200, json!({})),
            None => gone(),
        },
        _ => gone(),
    };
    json_answer(status, &json)
}

fn json_answer(status: u16, json: &Value) -> (u16, Vec<u8>) {
    (status, json.to_string().into_bytes())
}

fn gone() -> (u16, Value) {
    (404, json!({"error": "not_found", "message": "there is none"}))
}

fn runs(job: &str) -> Value {
    json!({"runs": [{
        "id": 40, "job_id": job.parse::<u64>().ok(), "status": "success",
        "started_at": "2026-05-08T03:00:00+02:00", "finished_at": "2026-05-08T03:01:00+02:00",
        "log_text": "done", "archive_name": "tom_nightly_20260508", "size_bytes": 2_048,
    }]})
}

fn archives(world: &World) -> Value {
    let one = |(name, bytes): (&String, &Vec<u8>)| json!({"name": name, "size_bytes": bytes.len(), "sha256": hex(bytes)});
    json!({"archives": world.archives.iter().map(one).collect::<Vec<_>>()})
}

fn start(world: &mut World, body: &[u8]) -> (u16, Value) {
    let Ok(mut start) = serde_json::from_slice::<Value>(body) else {
        return (400, json!({"error": "invalid", "message": "no JSON"}));
    };
    let name = start["filename"].as_str().unwrap_or_default().trim_end_matches(".tar");
    if world.archives.contains_key(name) {
        return (409, json!({"error": "exists", "message": "there is one of that name"}));
    }
    if let Some(bytes) = world.part_bytes {
        start["chunk_size"] = json!(bytes);
    }
    let id = format!("upload-{}", world.asked.len());
    let answer = json!({"upload_id": id, "chunk_size": start["chunk_size"]});
    world.uploads.insert(id, Upload { start, ..Upload::default() });
    (201, answer)
}

fn sizes(upload: &Upload) -> (u64, u64, u32) {
    let total = upload.start["total_size"].as_u64().unwrap_or(0);
    let part = upload.start["chunk_size"].as_u64().unwrap_or(1).max(1);
    (total, part, u32::try_from(total.div_ceil(part)).unwrap_or(u32::MAX))
}

fn part(world: &mut World, id: &str, number: &str, mut body: Vec<u8>) -> (u16, Value) {
    let mangles = world.mangles;
    let (Some(upload), Ok(number)) = (world.uploads.get_mut(id), number.parse::<u32>()) else {
        return gone();
    };
    let (total, part, parts) = sizes(upload);
    let wanted = part.min(total.saturating_sub(part * u64::from(number)));
    if number >= parts || body.len() as u64 != wanted {
        return (400, json!({"error": "invalid", "message": "wrong size"}));
    }
    if let Some(last) = body.last_mut().filter(|_| mangles) {
        *last ^= 1;
    }
    upload.parts.insert(number, body);
    (200, json!({"chunks_received": upload.parts.len()}))
}

fn missing(upload: &Upload) -> Vec<u32> {
    (0..sizes(upload).2).filter(|number| !upload.parts.contains_key(number)).collect()
}

fn show(world: &World, id: &str) -> (u16, Value) {
    let Some(upload) = world.uploads.get(id) else { return gone() };
    let (total, part, _) = sizes(upload);
    (
        200,
        json!({"upload_id": id, "filename": upload.start["filename"], "total_size": total,
            "chunk_size": part, "chunks_received": upload.parts.len(), "status": "in_progress",
            "checksum": upload.start["checksum"], "missing": missing(upload)}),
    )
}

fn finish(world: &mut World, id: &str) -> (u16, Value) {
    let Some(upload) = world.uploads.get(id) else { return gone() };
    let missing = missing(upload);
    if !missing.is_empty() {
        return (
            409,
            json!({"error": "conflict", "message": "parts are missing", "missing": missing}),
        );
    }
    let bytes: Vec<u8> = upload.parts.values().flatten().copied().collect();
    let name = upload.start["filename"].as_str().unwrap_or_default().trim_end_matches(".tar");
    if hex(&bytes) != upload.start["checksum"].as_str().unwrap_or_default() {
        world.uploads.remove(id);
        return (422, json!({"error": "checksum", "message": "these are other bytes"}));
    }
    let answer =
        json!({"archive": {"name": name, "size_bytes": bytes.len(), "sha256": hex(&bytes)}});
    let name = name.to_owned();
    world.uploads.remove(id);
    world.archives.insert(name, bytes);
    (200, answer)
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
