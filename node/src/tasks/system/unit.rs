//! Installing a unit file that was restored.

use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::Path,
};

use protocol::job::SystemdService;

use super::{Machine, TaskError, TaskIo, failed, invalid, place};
use crate::tasks::{Answer, process::Program};

/// The largest unit file, bytes: systemd's own limit is a megabyte for a line.
const UNIT_BYTES_MAX: u64 = 1 << 20;

/// The longest name of a unit without its ending.
const NAME_BYTES_MAX: usize = 200;

const MODE: u32 = 0o644;

/// The file name of a service, from a name with or without `.service`.
pub(super) fn file_name(name: &str) -> Result<String, TaskError> {
    let stem = name.strip_suffix(".service").unwrap_or(name);
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '@' | ':');
    let good = (1..=NAME_BYTES_MAX).contains(&stem.len()) && stem.chars().all(inner);
    if good && !stem.starts_with(['-', '.', '@']) {
        Ok(format!("{stem}.service"))
    } else {
        Err(invalid(format!("{name:?} is not the name of a unit")))
    }
}

/// Installs, enables and starts a unit.
pub(super) fn install(
    machine: &Machine,
    service: &SystemdService,
    file: &Path,
    io: TaskIo<'_>,
) -> Result<Answer, TaskError> {
    let name = file_name(&service.name)?;
    let content = read(file)?;
    let changed = write(&machine.units(), &name, &content)?;
    let mut system = Systemctl { machine, io };
    if name.ends_with("@.service") {
        let line = format!("{name} is a template: enable and start its instances yourself");
        return Ok(Answer::Partly(vec![line]));
    }
    if machine.systemd_runs() {
        system.run(&["daemon-reload"])?;
        system.run(&["enable", "--", &name])?;
        // What runs already runs from the old file.
        let verb = if changed { "restart" } else { "start" };
        system.run(&[verb, "--", &name])?;
        return Ok(if changed { Answer::Done } else { Answer::Unchanged });
    }
    let mut lines = vec![format!("systemd does not run here: {name} is installed, not started")];
    let root = format!("--root={}", machine.root.display());
    match system.run(&[&root, "enable", "--", &name]) {
        Ok(()) => {}
        Err(TaskError::Cancelled) => return Err(TaskError::Cancelled),
        Err(error) => lines.push(format!("{name} is not enabled: {error}")),
    }
    Ok(Answer::Partly(lines))
}

/// The unit file. It comes from a tree that is not root's, so it must be what it seems.
fn read(file: &Path) -> Result<Vec<u8>, TaskError> {
    let place = place::open_file(file)?;
    if place.stat.st_nlink > 1 {
        let why = "has other names, and could be any file of this machine";
        return Err(invalid(format!("{} {why}", file.display())));
    }
    let mut content = Vec::new();
    File::from(place.fd)
        .take(UNIT_BYTES_MAX + 1)
        .read_to_end(&mut content)
        .map_err(failed(format!("read {}", file.display())))?;
    if content.len() as u64 > UNIT_BYTES_MAX {
        return Err(invalid(format!("{} is too large for a unit", file.display())));
    }
    Ok(content)
}

/// Puts the file there in one step; `false` when it is there already.
fn write(units: &Path, name: &str, content: &[u8]) -> Result<bool, TaskError> {
    let path = units.join(name);
    let what = || format!("install {}", path.display());
    match fs::symlink_metadata(&path) {
        Ok(there) if there.is_symlink() && masked(&path) => {
            let what = format!("{name} is masked on this machine; unmask it first");
            return Err(TaskError::Conflict { what });
        }
        Ok(there) if there.is_file() => {
            let same = fs::read(&path).is_ok_and(|is| is == content);
            if same && there.permissions().mode() & 0o7777 == MODE {
                return Ok(false);
            }
        }
        Ok(there) if there.is_dir() => {
            return Err(TaskError::Conflict { what: format!("{} is a directory", path.display()) });
        }
        _ => {}
    }
    let put = || -> io::Result<()> {
        fs::create_dir_all(units)?;
        let mut new = tempfile::Builder::new().prefix(".backupmanager").tempfile_in(units)?;
        new.write_all(content)?;
        new.as_file().set_permissions(fs::Permissions::from_mode(MODE))?;
        new.as_file().sync_all()?;
        new.persist(&path)?;
        File::open(units)?.sync_all()
    };
    put().map_err(failed(what()))?;
    Ok(true)
}

fn masked(path: &Path) -> bool {
    fs::read_link(path).is_ok_and(|target| target == Path::new("/dev/null"))
}

struct Systemctl<'a, 'b> {
    machine: &'a Machine,
    io: TaskIo<'b>,
}

impl Systemctl<'_, '_> {
    fn run(&mut self, args: &[&str]) -> Result<(), TaskError> {
        let io = TaskIo {
            input: None,
            output: None,
            line: &mut *self.io.line,
            cancelled: self.io.cancelled,
        };
        let program = self.machine.systemctl;
        let program = Program::new(program).args(["--no-ask-password", "--no-pager"]).args(args);
        program.run(io)?.success("systemctl").map(drop)
    }
}
