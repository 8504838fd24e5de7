//! The client alone, against an instance that is slow, lies, or is somebody else.

use std::time::Duration;

use node::instances::{Client, ClientError, Patience, Retry};
use protocol::control::CertificatePin;
use tests::support::{
    Instance,
    instance::{KEY, job},
};

fn client(tom: &Instance, pin: Option<CertificatePin>, key: &str) -> Client {
    let patience = Patience { answer: Duration::from_millis(1_500), ..Patience::default() };
    let url = tom.url.parse().expect("an address");
    Client::new(url, key.parse().expect("a key"), pin.as_ref(), patience).expect("a client")
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(future)
}

fn chain(error: &dyn std::error::Error) -> String {
    let cause = error.source().map_or_else(String::new, |source| format!(": {}", chain(source)));
    format!("{error}{cause}")
}

#[test]
fn a_pinned_certificate_is_taken_and_no_other() {
    let (tom, eve) = (Instance::encrypted(), Instance::encrypted());
    wait(client(&tom, tom.pin, KEY).health()).expect("it is the pinned one");
    for (instance, pin) in [(&tom, None), (&eve, tom.pin)] {
        let error = wait(client(instance, pin, KEY).health()).expect_err("it is not trusted");
        assert!(matches!(error, ClientError::Handshake { .. }), "{error:?}");
        assert!(!chain(&error).contains(KEY) && !error.hint().is_empty());
        assert_eq!(instance.asked("GET /api/v1/health"), usize::from(pin.is_none()));
    }
}

#[test]
fn nothing_but_the_host_of_the_address_gets_the_key() {
    let tom = Instance::plain();
    let eve = Instance::plain();
    tom.world(|world| world.canned = vec![("GET".into(), 302, Vec::new())]);
    let error = wait(client(&tom, None, KEY).jobs()).expect_err("it redirects");
    assert!(chain(&error).contains("elsewhere.example.org"), "{error}");
    assert_eq!(eve.asked("GET"), 0);
    let echo = format!("{{\"error\": \"x\", \"message\": \"you said {KEY}\\n\\u001b[31m\"}}");
    tom.world(|world| world.canned = vec![("GET".into(), 500, echo.into_bytes())]);
    let error = wait(client(&tom, None, KEY).jobs()).expect_err("it fails");
    assert!(chain(&error).contains("you said ***"), "{error}");
    assert!(!chain(&error).contains(KEY) && !chain(&error).contains('\u{1b}'), "{error:?}");
    assert!(!format!("{error:?}").contains(KEY));
}

#[test]
fn answers_that_are_too_large_no_json_or_not_of_the_contract_are_refused() {
    let tom = Instance::plain();
    let large = vec![b' '; 9 << 20];
    let deep = [vec![b'['; 100_000], vec![b']'; 100_000]].concat();
    for (body, what) in [
        (large, "larger than"),
        (deep, "not of the contract"),
        (b"<html>login</html>".to_vec(), "not of the contract"),
        (b"{\"jobs\": [{\"name\": \"a\"}]}".to_vec(), "a job has no number"),
        (b"{\"jobs\": 3}".to_vec(), "no list of jobs"),
    ] {
        tom.world(|world| world.canned = vec![("GET".into(), 200, body)]);
        let error = wait(client(&tom, None, KEY).jobs()).expect_err(what);
        assert!(chain(&error).contains(what), "{error}");
        assert_eq!(error.retry(), Retry::Later);
    }
    tom.world(|world| {
        world.canned.clear();
        world.jobs = (0..2_000).map(|id| job(id, "many")).collect();
    });
    assert_eq!(wait(client(&tom, None, KEY).jobs()).expect("they are jobs").len(), 500);
}

#[test]
fn a_wrong_key_is_final_and_silence_is_not() {
    let tom = Instance::plain();
    let error = wait(client(&tom, None, &KEY.replace('5', "6")).health()).expect_err("401");
    assert!(matches!(error, ClientError::Key { .. }));
    assert_eq!((error.retry(), error.is_offline()), (Retry::Never, false));
    // It listens and says nothing.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("bound")).parse().expect("url");
    let patience = Patience { answer: Duration::from_millis(200), ..Patience::default() };
    let silent = Client::new(url, KEY.parse().expect("a key"), None, patience).expect("a client");
    let error = wait(silent.health()).expect_err("it is silent");
    assert!(matches!(error, ClientError::Slow { .. }), "{error:?}");
    assert_eq!((error.retry(), error.is_offline()), (Retry::Later, true));
}
