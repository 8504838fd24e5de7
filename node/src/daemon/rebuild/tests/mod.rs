//! Plans by tables, and restores with an agent that writes down what it is asked.

mod agent;
mod consent;
mod databases;
mod hostile;
mod plans;
mod service;
mod yunohost;

use std::{collections::BTreeSet, path::PathBuf};

use protocol::{
    ArchiveId, ChunkId, NodeId, SealedId,
    control::{ArchiveRef, ArchiveRestore, Component, NodeName},
    job::{FirewallPort, Permissions, PortProtocol, RestoreBlock, SystemUser, SystemdService},
    manifest::RootRef,
    object::Link,
};

use super::known::{Commands, Counts, Kind, Known, Looked};
use crate::tasks::system::{self, Found};

/// Room for everything.
const ROOMY: Found = Found { exists: true, is_directory: true, free_bytes: 1 << 40 };

/// The whole block of the specification, for a directory.
fn block(source: &str) -> RestoreBlock {
    RestoreBlock {
        system_user: Some(SystemUser {
            name: "hermes".to_owned(),
            home: source.to_owned(),
            shell: "/bin/false".to_owned(),
        }),
        systemd_service: Some(SystemdService {
            name: "hermes".to_owned(),
            service_file: format!("{source}/hermes.service"),
        }),
        permissions: Some(Permissions {
            owner: "hermes:hermes".to_owned(),
            mode: "750".to_owned(),
        }),
        post_restore_commands: vec!["systemctl restart hermes".to_owned()],
        firewall_ports: vec![FirewallPort { port: 8080, protocol: PortProtocol::Both }],
    }
}

/// An archive of this node, of a directory with the whole block; all of it is gone.
pub(super) fn known(kind: Kind) -> Known {
    let mut block = block("/opt/hermes");
    let lines = std::mem::take(&mut block.post_restore_commands);
    let files = Counts {
        members: 3,
        bytes: 300,
        creates: 3,
        needed_bytes: 300,
        top_is_directory: true,
        ..Counts::default()
    };
    let looked = Looked {
        system: system::Answer { systemd_runs: true, ..system::Answer::default() },
        destination: ROOMY,
        top: Found { exists: false, is_directory: false, free_bytes: 1 << 40 },
        yunohost: ROOMY,
        home: Found::default(),
    };
    let is_files = kind == Kind::Files;
    Known {
        title: "jerry_hermes_20260508".to_owned(),
        id: ArchiveId([3; 16]),
        root: RootRef { chunk: ChunkId([4; 32]), link: Link { id: SealedId([5; 32]), bytes: 9 } },
        origin: NodeName { id: NodeId([7; 32]), name: "jerry".to_owned() },
        own: true,
        kind,
        source: PathBuf::from("/opt/hermes"),
        stream_bytes: 1 << 20,
        block: if is_files { block } else { RestoreBlock::default() },
        block_problem: None,
        commands: Commands { lines: if is_files { lines } else { Vec::new() }, of_job: true },
        dumps: Vec::new(),
        destination: PathBuf::from("/"),
        files,
        fetch_bytes: 0,
        fetch_from: Vec::new(),
        look: looked,
        yunohost: None,
        databases: Ok(BTreeSet::new()),
    }
}

fn request() -> ArchiveRestore {
    let name = "jerry_hermes_20260508".parse().unwrap();
    ArchiveRestore::all(ArchiveRef { name, node_of: None })
}

fn only(components: &[Component]) -> ArchiveRestore {
    ArchiveRestore { components: components.iter().copied().collect(), ..request() }
}
