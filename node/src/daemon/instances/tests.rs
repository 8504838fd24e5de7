use protocol::control::{CertificatePin, InstanceAdd};

use super::*;

fn add(name: &str, url: &str) -> InstanceAdd {
    let key = "5a".repeat(32).parse().unwrap();
    InstanceAdd {
        name: name.parse().unwrap(),
        url: url.parse().unwrap(),
        key,
        pin: None,
        ssh: None,
    }
}

fn open(path: &std::path::Path, plain: bool) -> Instances {
    Instances::open(Arc::new(Db::open(path).unwrap()), plain).unwrap()
}

#[test]
fn an_instance_and_its_key_are_there_after_reopening_for_this_node_only() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.redb");
    let secret = NodeSecret::from_seed(&[1; 32]);
    {
        let instances = open(&path, false);
        let first = instances.add(&secret, &add("ann", "https://ann.example.org"), None).unwrap();
        instances.remove(&first).unwrap();
        let tom = instances.add(&secret, &add("tom", "https://tom.example.org"), None).unwrap();
        assert_eq!((first.number, tom.number), (1, 2), "numbers are not used again");
        let again = instances.add(&secret, &add("tom", "https://other.example.org"), None);
        assert_eq!(again.unwrap_err().code, FailureCode::Exists);
    }
    let bytes = std::fs::read(&path).unwrap();
    let clear = "5a".repeat(32);
    assert!(!bytes.windows(64).any(|window| window == clear.as_bytes()), "the key is in clear");
    let instances = open(&path, false);
    assert_eq!(instances.find(&"2".parse().unwrap()).unwrap().name.as_str(), "tom");
    assert_eq!(instances.find(&"1".parse().unwrap()).unwrap_err().code, FailureCode::NotFound);
    assert!(instances.client(&secret, 2).is_ok());
    let Err(other) = instances.client(&NodeSecret::from_seed(&[2; 32]), 2) else {
        panic!("another node opened the key")
    };
    assert_eq!(other.code, FailureCode::Damaged);
}

#[test]
fn a_key_leaves_this_machine_encrypted_only() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.redb");
    let secret = NodeSecret::from_seed(&[1; 32]);
    let plain = add("tom", "http://tom.example.org");
    {
        let instances = open(&path, false);
        let refused = instances.add(&secret, &plain, None).unwrap_err();
        assert!(refused.hint.is_some_and(|hint| hint.contains("plain_instances")));
        let mut pinned = add("here", "http://127.0.0.1:9");
        instances.add(&secret, &pinned, None).unwrap();
        (pinned.name, pinned.pin) = ("pin".parse().unwrap(), Some(CertificatePin([1; 32])));
        assert_eq!(instances.add(&secret, &pinned, None).unwrap_err().code, FailureCode::Invalid);
    }
    open(&path, true).add(&secret, &plain, None).unwrap();
}

#[test]
fn how_a_call_went_is_what_is_known_of_an_instance() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.redb");
    let secret = NodeSecret::from_seed(&[1; 32]);
    let told = Told { health: Health::default(), jobs: Some(Vec::new()) };
    {
        let instances = open(&path, false);
        instances.add(&secret, &add("tom", "https://tom.example.org"), None).unwrap();
        let host = || "tom.example.org".to_owned();
        let source = std::io::ErrorKind::ConnectionRefused.into();
        instances.note(1, &Err(ClientError::Connect { host: host(), source }));
        let report = instances.numbered(1).unwrap();
        assert_eq!((report.state, report.last_seen_ms), (InstanceState::Offline, None));
        instances.note(1, &Err(ClientError::Key { host: host() }));
        let report = instances.numbered(1).unwrap();
        assert_eq!(report.state, InstanceState::Error);
        assert!(report.why.is_some_and(|why| why.contains("does not accept the key")));
        instances.note(1, &Ok(told));
    }
    let report = open(&path, false).numbered(1).unwrap();
    assert_eq!((report.state, report.why), (InstanceState::Online, None));
    assert!(report.last_seen_ms.is_some() && report.jobs_ms.is_some());
}
