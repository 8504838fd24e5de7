//! A machine with YunoHost, played: the `yunohost` command as Python, on a private root.
//!
//! [`Machine`] makes the root: `bin/yunohost` (a link to `double/yunohost`, which finds its root by
//! it), the hooks of the seven parts of the system, users, an archives folder. Put [`Machine::path`]
//! into the `PATH` of a daemon, or ask the command itself with [`Machine::run`]. Faults are listed
//! in `double/world.py`. The files of the double have no other truth than the outputs of the real
//! command in `tests/fixtures/yunohost`, which the tests compare it with.

use std::{
    env, fs,
    os::unix::fs::{DirBuilderExt as _, symlink},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use serde_json::{Map, Value, json};

/// The parts of the system, with the numbers of their hooks.
pub const PARTS: [&str; 7] = [
    "05-conf_ldap",
    "17-data_home",
    "18-data_multimedia",
    "20-conf_ynh_settings",
    "21-conf_ynh_certs",
    "23-data_mail",
    "50-conf_manually_modified_files",
];

/// A private root with YunoHost on it.
pub struct Machine {
    root: PathBuf,
}

/// YunoHost's lock, held by somebody else until this is dropped.
pub struct Held {
    child: Child,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.child.kill().expect("it is ours");
        self.child.wait().expect("it is ours");
    }
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().expect("a file in a folder")).expect("a folder");
    fs::write(path, text).expect("a file");
}

impl Machine {
    /// A machine with no apps, in a folder that may exist.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        let machine = Self { root: root.to_owned() };
        fs::create_dir_all(machine.at("bin")).expect("a folder");
        let double = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/support/yunohost/double");
        symlink(double.join("yunohost"), machine.program()).expect("a link");
        for part in PARTS {
            for action in ["backup", "restore"] {
                let hook = machine.at("usr/share/yunohost/hooks").join(action).join(part);
                write(&hook, "#!/bin/bash\ntrue\n");
            }
            let name = part.split_once('-').expect("a number and a name").1;
            write(&machine.at("home").join(name).join("file"), name);
        }
        let folder = machine.archives();
        fs::DirBuilder::new().recursive(true).mode(0o770).create(folder).expect("a folder");
        machine
    }

    /// A path inside.
    #[must_use]
    pub fn at(&self, inside: impl AsRef<Path>) -> PathBuf {
        self.root.join(inside)
    }

    /// The command.
    #[must_use]
    pub fn program(&self) -> PathBuf {
        self.at("bin/yunohost")
    }

    /// The archives folder.
    #[must_use]
    pub fn archives(&self) -> PathBuf {
        self.at("home/yunohost.backup/archives")
    }

    /// YunoHost's work folder for an archive.
    #[must_use]
    pub fn work(&self, name: &str) -> PathBuf {
        self.at("home/yunohost.backup/tmp").join(name)
    }

    /// The lock file.
    #[must_use]
    pub fn lock(&self) -> PathBuf {
        self.at("run/moulinette_yunohost.lock")
    }

    /// A `PATH` in which the command is found first.
    #[must_use]
    pub fn path(&self) -> String {
        format!("{}:{}", self.at("bin").display(), env::var("PATH").expect("a PATH"))
    }

    /// Installs an app, with a directory of files, a data directory and a page.
    pub fn install_app(&self, id: &str) {
        let folder = self.at("etc/yunohost/apps").join(id);
        let manifest = format!(
            "packaging_format = 2\nid = \"{id}\"\nname = \"The {id}\"\n\
             description.en = \"An app for tests\"\nversion = \"1.0~ynh1\"\n"
        );
        write(&folder.join("manifest.toml"), &manifest);
        let settings = format!(
            "app: {id}\ndb_pwd: hunter2\ndata_dir: /home/yunohost.app/{id}\n\
             domain: example.tld\ninstall_dir: /var/www/{id}\npath: /{id}\n"
        );
        write(&folder.join("settings.yml"), &settings);
        for script in ["backup", "restore", "install", "remove"] {
            write(&folder.join("scripts").join(script), "#!/bin/bash\ntrue\n");
        }
        let page = format!("etc/nginx/conf.d/example.tld.d/{id}.conf");
        write(&self.at(page), "location / {}\n");
        write(&self.at("var/www").join(id).join("index.html"), "a page\n");
        write(&self.at("home/yunohost.app").join(id).join("data.bin"), &"data ".repeat(2_000));
    }

    /// Changes a setting of `world.json`.
    pub fn set(&self, key: &str, value: &Value) {
        self.change("world.json", |all| drop(all.insert(key.to_owned(), value.clone())));
    }

    /// A setting of `world.json`, as the command left it.
    #[must_use]
    pub fn setting(&self, key: &str) -> Value {
        self.read("world.json").get(key).cloned().unwrap_or_default()
    }

    /// Switches a fault on.
    pub fn fault(&self, name: &str, value: &Value) {
        self.change("faults.json", |all| drop(all.insert(name.to_owned(), value.clone())));
    }

    /// Switches all faults off.
    pub fn heal(&self) {
        self.change("faults.json", Map::clear);
    }

    fn read(&self, file: &str) -> Map<String, Value> {
        let text = fs::read_to_string(self.at(file)).unwrap_or_else(|_| "{}".to_owned());
        serde_json::from_str(&text).expect("an object")
    }

    fn change(&self, file: &str, change: impl FnOnce(&mut Map<String, Value>)) {
        let mut all = self.read(file);
        change(&mut all);
        fs::write(self.at(file), Value::Object(all).to_string()).expect("a file");
    }

    /// Asks the command, in English and in JSON.
    #[must_use]
    pub fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(self.program());
        command.args(["--output-as", "json"]).args(arguments).env("LC_ALL", "C.UTF-8");
        command.stdin(Stdio::null()).output().expect("python3 is installed")
    }

    /// The answer of a command that ends with 0.
    #[must_use]
    pub fn ask(&self, arguments: &[&str]) -> Value {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        let said = String::from_utf8(output.stdout).expect("text");
        said.lines().last().map_or(json!(null), |line| serde_json::from_str(line).expect("JSON"))
    }

    /// The arguments of every call so far that changed something.
    #[must_use]
    pub fn changes(&self) -> Vec<Value> {
        let calls = fs::read_to_string(self.at("calls.jsonl")).unwrap_or_default();
        let calls = calls.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        let changes = ["create", "restore", "delete", "remove", "open", "allow"];
        calls.filter(|call| changes.iter().any(|word| call["args"][1] == *word)).collect()
    }

    /// Has somebody else hold the lock.
    #[must_use]
    pub fn hold_lock(&self) -> Held {
        // Ends when this process does, since nothing else writes to it.
        let mut command = Command::new("cat");
        let child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("cat");
        write(&self.lock(), &child.id().to_string());
        Held { child }
    }

    /// What a tar of the archives folder has, by `tar`.
    #[must_use]
    pub fn members(&self, file: &str) -> Vec<String> {
        let output = Command::new("tar").arg("-tf").arg(self.archives().join(file)).output();
        let said = String::from_utf8(output.expect("tar").stdout).expect("text");
        said.lines().map(str::to_owned).collect()
    }
}

/// An output of the real command, from the fixtures.
#[must_use]
pub fn real(name: &str) -> String {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/yunohost");
    fs::read_to_string(fixtures.join(name)).expect(name)
}
