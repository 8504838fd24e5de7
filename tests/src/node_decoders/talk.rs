//! What programs and the agent say.

use node::{
    decoders::{agent_frame, agent_opening, agent_reply, agent_turn, answered, program_lines},
    tasks::{TaskError, yunohost::Selection},
};
use protocol::cbor;
use serde_json::{Value, json};

use super::fixture;

/// Never told, never kept.
const SECRET: &str = "hunter2";

/// The longest line that is told at once, bytes.
const TOLD_BYTES_MAX: usize = 4 << 10;

/// The standard output of the `yunohost` command.
pub(super) fn answer(bytes: &[u8]) {
    let said = program_lines(bytes, bytes.len(), SECRET);
    for piece in [1, 3, 100] {
        assert_eq!(program_lines(bytes, piece, SECRET), said, "pieces of {piece}");
    }
    for line in said.told.iter().chain(&said.kept) {
        assert!(!line.contains('\n') && !line.contains(SECRET), "{line:?}");
    }
    assert!(said.told.iter().all(|line| line.len() <= TOLD_BYTES_MAX));
    let last = said.kept.iter().rev().find(|line| !line.trim().is_empty());
    let is_answer = last.is_some_and(|line| line.trim().starts_with('{'));
    for wanted in wanted() {
        let answered = answered(said.kept.clone(), &wanted);
        refusal(answered.version.err(), is_answer);
        refusal(answered.apps.err(), is_answer);
        refusal(answered.parts.err(), is_answer);
        refusal(answered.archives.err(), is_answer);
        if !matches!(answered.has, Err(TaskError::NotFound { .. })) {
            refusal(answered.has.err(), is_answer);
        }
        match (answered.created, &wanted) {
            (Ok((_, _, targets)), Selection::App(app)) => assert!(targets.contains_key(app)),
            (Ok((_, _, targets)), Selection::System(parts)) => {
                assert!(parts.iter().all(|part| targets.contains_key(part)), "{parts:?}");
            }
            (Err(error), _) => refusal(Some(error), is_answer),
        }
    }
}

fn wanted() -> [Selection; 3] {
    let parts = ["conf_ldap", "data_home"].map(str::to_owned).to_vec();
    let app = Selection::App("dummyapp".to_owned());
    [app, Selection::System(parts), Selection::System(Vec::new())]
}

/// Where an answer fails is told, what it has is not.
fn refusal(error: Option<TaskError>, is_answer: bool) {
    let Some(error) = error else {
        assert!(is_answer, "an answer is a line of JSON, the last");
        return;
    };
    let TaskError::Nonsense { why, .. } = error else { panic!("{error}") };
    let words: Vec<_> = why.split(|c: char| c == ' ' || c.is_ascii_digit()).collect();
    let known = "its last line is no answer data syntax eof io error at byte of";
    let is_known = |word: &&str| word.is_empty() || known.split(' ').any(|known| known == *word);
    assert!(words.iter().all(is_known), "{why}");
}

pub(super) fn answer_seeds() -> Vec<Vec<u8>> {
    let secret = format!("INFO the password is {SECRET}{SECRET}\r\n{{\"apps\": []}}\n\n");
    [
        fixture!("json/fx_create_app.stdout"),
        fixture!("json/fx_create_core.stdout"),
        fixture!("json/fx_create_sys.stdout"),
        fixture!("json/fx_list.stdout"),
        fixture!("json/fx_restore_custom.stdout"),
        fixture!("json/fx_restore_mysql.stdout"),
        fixture!("json/app_list_full.json"),
        fixture!("json/fx_app_list.json"),
        fixture!("json/fx_info_jerry_dummyapp_20260508.json"),
        fixture!("json/fx_info_jerry_system_20260508.json"),
        fixture!("json/hook_list_backup.json"),
        fixture!("json/tools_versions.json"),
        secret.as_bytes(),
    ]
    .map(<[u8]>::to_vec)
    .to_vec()
}

/// As the head of every kind of frame, as a frame, and as a turn with a payload.
pub(super) fn frame(bytes: &[u8]) {
    for read in [agent_opening, agent_turn, agent_reply] {
        if let Ok(again) = read(bytes) {
            assert_eq!(read(&again).expect("what is written can be read"), again);
        }
    }
    if let Ok((_, payload)) = agent_frame(bytes) {
        assert!(bytes.len() >= 8 + payload.len());
    }
    let payload = &bytes[..bytes.len().min(100)];
    let lengths = [bytes.len(), payload.len()];
    let prefix = lengths.map(|bytes| u32::try_from(bytes).unwrap_or(u32::MAX).to_be_bytes());
    let whole = [&prefix.concat(), bytes, payload].concat();
    match agent_frame(&whole) {
        Ok((again, came)) => {
            assert_eq!(agent_turn(bytes).expect("it is a turn"), again);
            assert_eq!(came, payload);
        }
        Err(_) => assert!(agent_turn(bytes).is_err() || whole.len() > 64 << 10),
    }
}

/// CBOR of the same shapes as the agent's own values have.
pub(super) fn frame_seeds() -> Vec<Vec<u8>> {
    let source = json!({
        "path": b"/srv", "prefix": b"data", "excludes": ["*.tmp"], "one_file_system": true,
        "never": [b"/var"], "fingerprint_key": vec![7; 32],
    });
    let entry = json!({
        "path": b"srv/a", "kind": "File", "link": [], "mode": 420, "owner": [1, 2],
        "real_bytes": 5, "mtime": {"seconds": 9, "nanos": 8}, "offset": 0, "span": 1024,
    });
    let command = json!({"Command": {"run": "true", "timeout_s": 60}});
    let requests = [
        json!({"Measure": source}),
        json!({"Read": source}),
        json!({"Perform": {"task": command, "input": true, "output": false}}),
        json!("List"),
        json!({"Extend": {"name": "a.tar", "at": 512, "bytes": [1, 2]}}),
        json!({"Open": "jerry_docs.info.json"}),
    ];
    let openings = requests.map(|request| json!({"version": 1, "request": request}));
    let file = json!({
        "name": "a.tar.gz", "bytes": 9, "modified": {"seconds": 9, "nanos": 8},
        "is_link": true, "is_gzip": true,
    });
    let others = [
        json!({"Verdict": true}),
        json!("Data"),
        json!({"Broken": "it broke"}),
        json!({"Totals": {"members": 1, "files": 2, "bytes": 3}}),
        json!({"Segment": {"fingerprint": vec![3; 16], "bytes": 9, "file_data": true}}),
        json!({"SegmentEnd": {"entries": [entry], "stable": true}}),
        json!({"Warning": {"path": b"/srv/a", "what": "vanished"}}),
        json!({"Line": {"is_error": true, "text": "ERROR"}}),
        json!({"Performed": {"Partly": ["a"]}}),
        json!({"Archives": [file]}),
    ];
    let framed = [&[0, 0, 0, 5, 0, 0, 0, 3], &cbor::encode(&json!("Data"))[..], b"abc"].concat();
    let head = |value: &Value| cbor::encode(value);
    openings.iter().chain(&others).map(head).chain([framed]).collect()
}
