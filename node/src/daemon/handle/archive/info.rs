//! What an archive says of itself: the texts that lie in it beside the data.

use std::sync::Arc;

use protocol::{
    contents::Entry,
    control::{ArchiveInfo, ArchiveRef, Failure},
    tar::MemberKind,
};

use super::{Opened, open, report, unreadable};
use crate::daemon::{
    node::{Node, blocking},
    rebuild::small_member,
};

/// Reads `backup_info.json` and `info.json` out of an archive, from here or from a holder.
pub(in crate::daemon::handle) async fn info(
    node: Arc<Node>,
    wanted: ArchiveRef,
) -> Result<ArchiveInfo, Failure> {
    let opened = open(&node, &wanted).await?;
    blocking(move || {
        let (backup_info, info) = find(&opened)?;
        Ok(ArchiveInfo {
            backup_info: backup_info.map(|entry| text(&opened, &entry)).transpose()?.flatten(),
            info: info.map(|entry| text(&opened, &entry)).transpose()?.flatten(),
            archive: node.mesh.look(|catalog| report(catalog, &node, &opened.archive)),
        })
    })
    .await
}

/// The first member of either name. In archives that are made here they come before all others.
fn find(opened: &Opened) -> Result<(Option<Entry>, Option<Entry>), Failure> {
    let (mut backup_info, mut info) = (None, None);
    let walked = opened.reader.entries(|entry| {
        let path = entry.path.strip_prefix(b"./").unwrap_or(&entry.path);
        let found = match path {
            b"backup_info.json" => &mut backup_info,
            b"info.json" => &mut info,
            _ => return true,
        };
        if entry.kind == MemberKind::File {
            found.get_or_insert(entry);
        }
        backup_info.is_none() || info.is_none()
    });
    walked.map_err(|error| unreadable(&opened.archive, &error))?;
    Ok((backup_info, info))
}

/// None for what is too long, or no text.
fn text(opened: &Opened, entry: &Entry) -> Result<Option<String>, Failure> {
    if entry.real_bytes > ArchiveInfo::TEXT_BYTES_MAX as u64 {
        return Ok(None);
    }
    Ok(String::from_utf8(small_member(opened, entry)?).ok())
}

#[cfg(test)]
mod tests {
    use protocol::{
        control::{FailureCode, ForeignAdopt, JobRun, RawPath, Reply, RunReport},
        job::{CustomDir, JobConfig, JobSpec},
    };
    use tempfile::TempDir;

    use super::*;
    use crate::{
        daemon::{handle::job, live::tests::node},
        socket::EventSink,
    };

    async fn info_of(node: &Arc<Node>, name: &str) -> Result<ArchiveInfo, Failure> {
        info(Arc::clone(node), ArchiveRef { name: name.parse().unwrap(), node_of: None }).await
    }

    fn ended(reply: Result<Reply, Failure>) -> RunReport {
        let Ok(Reply::RunEnded(run)) = reply else { panic!("{reply:?}") };
        assert!(run.archive.is_some(), "{run:?}");
        run
    }

    /// Takes a tar of these members in: path, data, none for a directory. Its name.
    async fn adopted(
        node: &Arc<Node>,
        dir: &TempDir,
        name: &str,
        members: &[(&str, Option<&[u8]>)],
    ) -> String {
        let folder = dir.path().join("archives");
        std::fs::create_dir_all(&folder).unwrap();
        let mut tar = tar::Builder::new(Vec::new());
        for (path, data) in members {
            let mut header = tar::Header::new_gnu();
            let kind =
                if data.is_some() { tar::EntryType::Regular } else { tar::EntryType::Directory };
            header.set_entry_type(kind);
            header.set_size(data.map_or(0, <[u8]>::len) as u64);
            header.set_mode(0o644);
            tar.append_data(&mut header, path, data.unwrap_or_default()).unwrap();
        }
        std::fs::write(folder.join(format!("{name}.tar")), tar.into_inner().unwrap()).unwrap();
        let wanted = ForeignAdopt { name: name.parse().unwrap(), job: None, wait: true };
        let run = ended(job::adopt(Arc::clone(node), wanted, EventSink::deaf()).await);
        run.archive.unwrap()
    }

    #[tokio::test]
    async fn an_archive_says_what_lies_in_it_for_us_and_for_yunohost() {
        let dir = tempfile::tempdir().unwrap();
        let node = node(&dir, "jerry").await;
        let source = dir.path().join("source");
        std::fs::create_dir(&source).unwrap();
        // Of the same name, and below the data: it is not taken for the archive's own.
        std::fs::write(source.join("info.json"), b"{}").unwrap();
        let config = JobConfig::CustomDir(CustomDir::new(source.to_str().unwrap()));
        let spec = JobSpec::new("docs".parse().unwrap(), config);
        let job = job::add(&node, spec).await.unwrap().job.spec.name;
        let run = job::run(Arc::clone(&node), JobRun { job, wait: true }, EventSink::deaf()).await;
        let name = ended(run).archive.unwrap();
        let told = info_of(&node, &name).await.unwrap();
        assert_eq!(told.archive.name, Some(name));
        assert_eq!(told.archive.kind.as_deref(), Some("custom_dir"));
        let source = RawPath(source.to_str().unwrap().as_bytes().to_vec());
        assert_eq!(told.archive.source, Some(source));
        let json = |text: Option<String>| -> serde_json::Value {
            serde_json::from_str(&text.unwrap()).unwrap()
        };
        let ours = json(told.backup_info);
        assert_eq!(
            (&ours["instance_name"], &ours["type"]),
            (&"jerry".into(), &"custom_dir".into())
        );
        assert!(json(told.info)["description"].is_string());
        let none = info_of(&node, "none").await.unwrap_err();
        assert_eq!(none.code, FailureCode::NotFound);
    }

    #[tokio::test]
    async fn texts_that_are_too_long_no_text_or_no_file_are_left_out() {
        let dir = tempfile::tempdir().unwrap();
        let node = node(&dir, "jerry").await;
        let long = vec![b' '; ArchiveInfo::TEXT_BYTES_MAX + 1];
        let members: [(&str, Option<&[u8]>); 2] =
            [("./info.json", Some(&long)), ("backup_info.json", Some(b"\xff\xfe"))];
        let name = adopted(&node, &dir, "hostile", &members).await;
        let told = info_of(&node, &name).await.unwrap();
        assert_eq!((told.backup_info, told.info), (None, None));

        let longest = &long[1..];
        let members: [(&str, Option<&[u8]>); 3] = [
            ("info.json", None),
            ("./info.json", Some(longest)),
            ("data/backup_info.json", Some(b"{}")),
        ];
        let name = adopted(&node, &dir, "awkward", &members).await;
        let told = info_of(&node, &name).await.unwrap();
        assert_eq!(told.info.map(|text| text.len()), Some(ArchiveInfo::TEXT_BYTES_MAX));
        assert_eq!(told.backup_info, None, "that is a file of the data");
    }
}
