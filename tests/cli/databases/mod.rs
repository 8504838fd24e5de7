//! Dumps of real database servers, put back and compared.

mod dies;
mod jobs;
mod mysql;
mod names;
mod postgresql;

use std::{
    fs,
    io::{self, Read, Write},
    os::unix::fs::PermissionsExt as _,
    path::Path,
};

use node::tasks::{
    self, Task, TaskError, TaskIo,
    database::{Answer, DatabaseTask, Engine, Server},
};
use protocol::job::{Databases, DumpFormat};
use tests::support::{DatabaseServer, Yard};

/// A server, and the tasks that it is asked for.
struct Asked {
    server: DatabaseServer,
    at: Server,
}

impl Asked {
    fn start(yard: &Yard, engine: Engine) -> Self {
        let folder = yard.path("server");
        let server = match engine {
            Engine::Mysql => DatabaseServer::mariadb(&folder),
            Engine::Postgresql => DatabaseServer::postgresql(&folder),
        };
        let socket = Some(server.socket.clone());
        let at = Server::of(engine, &Databases { socket, ..Databases::default() });
        Self { server, at }
    }

    fn names(&self) -> Vec<String> {
        match perform(DatabaseTask::List(self.at.clone()), None, None).expect("listed") {
            Answer::Databases(all) => all.into_iter().map(|database| database.name).collect(),
            other => panic!("{other:?}"),
        }
    }

    /// How many databases there are that a load made for itself, which a list does not show.
    fn left_behind(&self) -> usize {
        let all = match self.at.engine {
            Engine::Mysql => "SHOW DATABASES;",
            Engine::Postgresql => "SELECT datname FROM pg_database;",
        };
        self.server.sql("", all).matches("bm_re").count()
    }

    fn dump_task(&self, database: &str, format: DumpFormat) -> DatabaseTask {
        DatabaseTask::Dump { server: self.at.clone(), database: database.to_owned(), format }
    }

    #[track_caller]
    fn dump(&self, database: &str, format: DumpFormat) -> (Vec<u8>, Vec<String>) {
        let mut dump = Vec::new();
        match perform(self.dump_task(database, format), None, Some(&mut dump)).expect("dumped") {
            Answer::Dumped { bytes, warnings } => {
                assert!(format != DumpFormat::None || bytes == dump.len() as u64);
                (dump, warnings)
            }
            other => panic!("{other:?}"),
        }
    }

    fn try_load(
        &self,
        database: &str,
        dump: &mut (dyn Read + Send),
        format: DumpFormat,
        replace: bool,
    ) -> Result<(bool, Vec<String>), TaskError> {
        let task = DatabaseTask::Load {
            server: self.at.clone(),
            database: database.to_owned(),
            dumped_from: "shop".to_owned(),
            format,
            replace,
        };
        match perform(task, Some(dump), None)? {
            Answer::Loaded { created, warnings } => Ok((created, warnings)),
            other => panic!("{other:?}"),
        }
    }

    /// Loads a plain dump, which must end well.
    #[track_caller]
    fn load(&self, database: &str, mut dump: &[u8], replace: bool) -> (bool, Vec<String>) {
        self.try_load(database, &mut dump, DumpFormat::None, replace).expect("loaded")
    }
}

fn perform(
    task: DatabaseTask,
    input: Option<&mut (dyn Read + Send)>,
    output: Option<&mut (dyn Write + Send)>,
) -> Result<Answer, TaskError> {
    let input = input.map(|input| input as &mut (dyn Read + Send));
    let output = output.map(|output| output as &mut (dyn Write + Send));
    let io = TaskIo { input, output, line: &mut |_| {}, cancelled: &|| false };
    match tasks::perform(&Task::Database(task), io)? {
        tasks::Answer::Database(answer) => Ok(answer),
        other => panic!("{other:?}"),
    }
}

/// Writes a file that only its owner may read.
fn write_secret(path: &Path, text: &str) {
    fs::write(path, text).expect("written");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("set");
}

/// What every server must say of databases that are not there, or in the way.
fn says_what_exists(asked: &Asked) {
    for missing in ["nowhere", "--help", "dbname=shop", "a'b \"c` d"] {
        let got = perform(asked.dump_task(missing, DumpFormat::None), None, Some(&mut io::sink()));
        let Err(TaskError::NotFound { what }) = got else { panic!("{missing}: {got:?}") };
        assert!(what.contains("shop"), "{what}");
    }
    let dump = asked.dump("shop", DumpFormat::None).0;
    let got = asked.try_load("shop", &mut dump.as_slice(), DumpFormat::None, false);
    assert!(matches!(got, Err(TaskError::Conflict { .. })), "{got:?}");
    let mut other = asked.at.clone();
    let file = std::env::temp_dir().join(format!("bm-options-{}", std::process::id()));
    fs::write(&file, "[client]\npassword=hush\n").expect("written");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("set");
    other.options_file = Some(file.to_str().expect("plain").to_owned());
    let got = perform(DatabaseTask::List(other), None, None);
    fs::remove_file(&file).expect("removed");
    let Err(TaskError::Invalid { what }) = got else { panic!("{got:?}") };
    assert!(what.contains("mode 644") && !what.contains("hush"), "{what}");
}

/// What every server must do with a dump that would take the place of one of its own databases.
fn refuses_own(asked: &Asked, own: &[&str]) {
    let dump = asked.dump("shop", DumpFormat::None).0;
    for database in own {
        for replace in [false, true] {
            let got = asked.try_load(database, &mut dump.as_slice(), DumpFormat::None, replace);
            let Err(TaskError::Invalid { what }) = got else { panic!("{database}: {got:?}") };
            assert!(what.contains(database), "{what}");
        }
    }
    assert!(asked.names().contains(&"shop".to_owned()));
}
