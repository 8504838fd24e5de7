//! Restores that `YunoHost` does: its tar in its folder, and the way back.

use std::io::{Read as _, Write as _};

use protocol::control::{ArchiveRef, Failure, FailureCode};
use sha2::{Digest as _, Sha256};

use super::{
    carry_out::{Rebuild, Went, task_failure},
    files::Told,
    plan::named,
};
use crate::{
    agent::{AgentError, ArchiveFileName, FailureKind},
    daemon::{
        export::InfoFinder,
        handle::archive::{Opened, open_here},
    },
    sys,
    tasks::{
        Answer, Task,
        yunohost::{self, Selection, TargetState, YunohostTask},
    },
};

/// Bytes written at once.
const WRITE_BYTES: usize = 1 << 20;

/// The name under which YunoHost finds an archive: one of its own, so that no other archive of the
/// folder can be meant by it, and always the same, so that a repeated restore removes what a killed one left.
pub(super) fn tar_name(opened: &Opened) -> String {
    format!("restore_{}", opened.archive.id.short())
}

fn file(name: &str, ending: &str) -> Result<ArchiveFileName, Failure> {
    ArchiveFileName::new(format!("{name}{ending}")).map_err(|error| {
        Failure::caused(FailureCode::Invalid, "cannot name the tar for YunoHost", &error)
    })
}

/// Writes the tar into the archives folder, with its description.
pub(super) fn put_tar(rebuild: &Rebuild<'_>, opened: &Opened) -> Result<Went, Failure> {
    let what = "cannot put the tar where YunoHost finds it";
    let failed = |error: &AgentError| task_failure(what, error);
    let agent = &rebuild.node.agent;
    let name = tar_name(opened);
    let (tar, info) = (file(&name, ".tar")?, file(&name, ".info.json")?);
    let there = agent.list_archives().map_err(|error| failed(&error))?;
    // What a restore left that was killed may be of another root, or somebody else's work.
    for left in [&tar, &info] {
        if there.iter().any(|found| found.name == *left) {
            agent.remove_archive(left).map_err(|error| failed(&error))?;
        }
    }
    let mut out = agent.create_archive(&tar).map_err(|error| failed(&error))?;
    let copied = copy(rebuild, opened, &mut out, what);
    let copied = copied.inspect_err(|_| drop(agent.discard_archive(&tar)))?;
    if let Some(json) = copied {
        let mut out = agent.create_archive(&info).map_err(|error| failed(&error))?;
        out.write_all(&json).map_err(|error| disk_failure(what, &error))?;
        agent.publish_archive(&info).map_err(|error| failed(&error))?;
    }
    agent.publish_archive(&tar).map_err(|error| failed(&error))?;
    Ok(Went::done())
}

/// The whole stream; gives back the description in it.
fn copy(
    rebuild: &Rebuild<'_>,
    opened: &Opened,
    out: &mut std::fs::File,
    what: &str,
) -> Result<Option<Vec<u8>>, Failure> {
    let total = opened.reader.stream_bytes();
    let stream = opened.reader.whole(sys::threads());
    let mut stream = Told::new(stream, total, "writing the tar", &rebuild.teller);
    let (mut hash, mut info) = (Sha256::new(), InfoFinder::default());
    let (mut buffer, mut bytes) = (vec![0; WRITE_BYTES], 0_u64);
    loop {
        let read =
            stream.read(&mut buffer).map_err(|error| rebuild.stream_failure(what, &error))?;
        if read == 0 {
            break;
        }
        let piece = &buffer[..read];
        hash.update(piece);
        info.look(piece);
        out.write_all(piece).map_err(|error| disk_failure(what, &error))?;
        bytes += read as u64;
    }
    let sha256: [u8; 32] = hash.finalize().into();
    let known = opened.archive.meta.as_ref().and_then(|meta| meta.sha256);
    if bytes != total || known.is_some_and(|known| known != sha256) {
        let why = "what was written is not what the archive's record says";
        return Err(Failure::new(FailureCode::Damaged, what, why));
    }
    Ok(info.found)
}

/// Takes the tar out of the folder again. It is a copy, and restores are rare.
pub(super) fn take_tar_away(rebuild: &Rebuild<'_>, opened: &Opened) {
    let name = tar_name(opened);
    for ending in [".tar", ".info.json"] {
        let Ok(file) = file(&name, ending) else { return };
        if let Err(error) = rebuild.node.agent.remove_archive(&file)
            && error.kind() != FailureKind::NotFound
        {
            rebuild.teller.line(format!("{file} stays in the archives folder: {error}"));
        }
    }
}

/// Removes an installed app, so that YunoHost can restore it. It is not stopped half-way; when it
/// fails half-way, the app is put back from its safety archive.
pub(super) fn make_room(
    rebuild: &Rebuild<'_>,
    opened: &Opened,
    app: &str,
    safety: Option<&str>,
) -> Result<Went, Failure> {
    let failure = match remove_app(&rebuild.unstoppable(), app) {
        Ok(went) => return Ok(went),
        Err(failure) => failure,
    };
    match safety {
        Some(safety) if may_have_begun(&failure) => {
            Err(go_back(rebuild, opened, &Selection::App(app.to_owned()), safety, failure))
        }
        _ => Err(failure),
    }
}

/// Whether a task of YunoHost's that failed like that may have changed something.
fn may_have_begun(failure: &Failure) -> bool {
    use FailureCode::{Busy, Invalid, NotFound, Unsupported};
    !matches!(failure.code, Busy | Invalid | NotFound | Unsupported)
}

fn remove_app(rebuild: &Rebuild<'_>, app: &str) -> Result<Went, Failure> {
    let task = YunohostTask::RemoveApp { app: app.to_owned() };
    match ask(rebuild, task, &format!("cannot remove {app}"))? {
        yunohost::Answer::Unchanged => Ok(Went::unchanged()),
        _ => Ok(Went::done()),
    }
}

/// Restores what the archive's tar holds; what does not come back is put back from its safety
/// archive, also when somebody stops it. An app that is `removed` and has no safety archive has no
/// way back: its restore is not stopped.
pub(super) fn restore(
    rebuild: &Rebuild<'_>,
    opened: &Opened,
    what: &Selection,
    safety: Option<&str>,
    removed: bool,
) -> Result<Went, Failure> {
    let tar = tar_name(opened);
    let restored = if removed && safety.is_none() {
        restore_from(&rebuild.unstoppable(), tar, what)
    } else {
        restore_from(rebuild, tar, what)
    };
    match (restored, safety) {
        (Err(failure), Some(safety)) => Err(go_back(rebuild, opened, what, safety, failure)),
        (restored, _) => restored,
    }
}

/// Puts back what was there before, which nobody stops; what there is to say about it.
fn go_back(
    rebuild: &Rebuild<'_>,
    opened: &Opened,
    what: &Selection,
    safety: &str,
    failure: Failure,
) -> Failure {
    let rebuild = &rebuild.unstoppable();
    rebuild.teller.line(format!("{failure}: going back to {safety}"));
    if let Selection::App(app) = what {
        // What is left of it may be nothing, which is as good.
        if let Err(error) = remove_app(rebuild, app) {
            rebuild.teller.line(error.to_string());
        }
    }
    // Both tars need not lie there at once.
    take_tar_away(rebuild, opened);
    match restore_safety(rebuild, what, safety) {
        Ok(_) => {
            let why = format!("{}; {} is as it was before", failure.why, named(what));
            Failure { why, ..failure }
        }
        Err(second) => {
            let why = format!("{}; and the way back failed too: {}", failure.why, second.why);
            let hint = format!("`backupmanager archive restore {safety}` puts back what was there");
            // Whoever stopped it did not want that.
            let stopped = failure.code == FailureCode::Cancelled;
            let code = if stopped { FailureCode::Internal } else { failure.code };
            Failure { code, why, hint: Some(hint), ..failure }
        }
    }
}

/// Restores what a safety archive of this node holds, whose tar is there only meanwhile.
fn restore_safety(rebuild: &Rebuild<'_>, what: &Selection, safety: &str) -> Result<Went, Failure> {
    let name = safety.parse().map_err(|error| {
        Failure::caused(FailureCode::Internal, format!("cannot find archive {safety}"), &error)
    })?;
    let opened = open_here(rebuild.node, &ArchiveRef { name, node_of: None })?;
    put_tar(rebuild, &opened)?;
    let went = restore_from(rebuild, tar_name(&opened), what);
    take_tar_away(rebuild, &opened);
    went
}

fn restore_from(rebuild: &Rebuild<'_>, name: String, what: &Selection) -> Result<Went, Failure> {
    let failure = format!("cannot restore {}", named(what));
    let task = YunohostTask::Restore { name, what: what.clone() };
    match ask(rebuild, task, &failure)? {
        yunohost::Answer::Restored { targets } => went(&failure, what, &targets),
        _ => Err(task_failure(&failure, &AgentError::Unexpected)),
    }
}

/// YunoHost ends well as soon as one target did: each is looked at.
fn went(
    failure: &str,
    what: &Selection,
    targets: &std::collections::BTreeMap<String, TargetState>,
) -> Result<Went, Failure> {
    let bad = |state: &TargetState| !matches!(state, TargetState::Success | TargetState::Warning);
    let bad: Vec<_> =
        targets.iter().filter(|(_, state)| bad(state)).map(|(name, _)| name).collect();
    let missing = match what {
        Selection::App(app) => !targets.contains_key(app),
        Selection::System(parts) => {
            targets.is_empty() || parts.iter().any(|part| !targets.contains_key(part))
        }
    };
    if missing || !bad.is_empty() {
        let names: Vec<_> = bad.into_iter().map(String::as_str).collect();
        let names = if names.is_empty() { named(what) } else { names.join(", ") };
        let why = format!("YunoHost did not do it for {names}");
        return Err(Failure::new(FailureCode::Internal, failure, why)
            .hint("the transcript of the run has what it said"));
    }
    let warned = targets.iter().filter(|(_, state)| **state == TargetState::Warning);
    Ok(Went::with_warnings(warned.map(|(name, _)| format!("{name}: with warnings")).collect()))
}

fn ask(rebuild: &Rebuild<'_>, task: YunohostTask, what: &str) -> Result<yunohost::Answer, Failure> {
    match rebuild.perform(&Task::Yunohost(task), None) {
        Ok(Answer::Yunohost(answer)) => Ok(answer),
        Ok(_) => Err(task_failure(what, &AgentError::Unexpected)),
        Err(error) => Err(task_failure(what, &error)),
    }
}

fn disk_failure(what: &str, error: &std::io::Error) -> Failure {
    let full = error.kind() == std::io::ErrorKind::StorageFull;
    let code = if full { FailureCode::NoSpace } else { FailureCode::Internal };
    Failure::caused(code, what, error).hint("free space in the archives folder, then run it again")
}
