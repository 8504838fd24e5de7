//! For the tests that feed foreign bytes: an answer read as every kind of answer.

use super::answers;

/// What was taken from an answer of an instance: texts and ids, whatever the answer was to.
///
/// # Errors
/// When it is no JSON.
pub fn instance_answer(bytes: &[u8]) -> Result<Vec<String>, serde_json::Error> {
    let json = serde_json::from_slice(bytes)?;
    let mut texts = Vec::new();
    if let Ok(health) = answers::health(&json) {
        texts.extend(health.instance_name.into_iter().chain(health.version));
    }
    for job in answers::jobs(&json).unwrap_or_default() {
        texts.extend([job.name, job.kind]);
        texts.extend(job.last_run.flatten().and_then(|run| run.archive_name));
    }
    for run in answers::runs(&json).unwrap_or_default() {
        texts.push(run.status);
        texts.extend(run.archive_name);
    }
    for archive in answers::archives(&json).unwrap_or_default() {
        texts.push(archive.name);
        texts.extend(archive.sha256);
    }
    if let Ok(upload) = answers::upload(&json) {
        texts.extend(upload.id.into_iter().chain(upload.status).chain(upload.sha256));
    }
    Ok(texts)
}
