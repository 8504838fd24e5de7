//! Every operation of the description, asked with what its schemas take, and with what they do not.
//!
//! The hook of the client holds each answer against the description. Here it is the other way
//! round: what the schemas take must not be refused as senseless, what they refuse must be. A seed
//! says all; `API_SEED` sets another, `API_CASES` asks more often.

use std::time::Duration;

use serde_json::Value;

use crate::support::{
    Answer, Dice, Fake, GOOD, JOB, ORDER, RUN, Server, TICKET, UPLOAD, ask, ask_any, key, strange,
    validator,
};

/// How often each operation is asked.
const CASES: u64 = 60;

/// What the draws begin with.
const SEED: u64 = 20_260_508;

/// Longer than any answer takes.
const HANGS: Duration = Duration::from_secs(20);

/// Refusals that no schema can foresee: one part does not fit another.
const BEYOND_SCHEMAS: [&str; 13] = [
    "ends before it begins",
    "no month that it names has such a day",
    "copies cannot lie on",
    "at most 400000 are taken",
    "is too long",
    "is longer than any path",
    "the path of a member",
    "the path names no file",
    "an address ",
    "of the address ",
    "ssh account",
    "expected map with a single key",
    "unknown variant",
];

struct Operation {
    method: String,
    path: String,
    told: Value,
}

fn operations() -> Vec<Operation> {
    let mut all = Vec::new();
    for (path, operations) in web::description()["paths"].as_object().unwrap() {
        for (method, told) in operations.as_object().unwrap() {
            let (path, method) = (path.clone(), method.to_ascii_uppercase());
            all.push(Operation { method, path, told: told.clone() });
        }
    }
    assert!(all.len() > 30, "{}", all.len());
    all
}

fn set(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |value| value.parse().unwrap())
}

/// What a path's argument stands for in the world of the fake node.
fn known(path: &str, name: &str) -> String {
    match (name, path) {
        ("name", path) if path.starts_with("/nodes") => "tom".to_owned(),
        ("name", _) => "jerry_nextcloud_20260508".to_owned(),
        ("id", path) if path.starts_with("/jobs") => JOB.to_string(),
        ("id", path) if path.starts_with("/runs") => RUN.to_string(),
        ("id", path) if path.starts_with("/transfers") => "5".to_owned(),
        ("id", path) if path.starts_with("/instances") => "tom".to_owned(),
        ("id", path) if path.starts_with("/notices") => "1".to_owned(),
        ("id", path) if path.starts_with("/orders") => ORDER.to_owned(),
        ("id", path) if path.starts_with("/invites") => TICKET.to_owned(),
        ("id", _) => UPLOAD.to_owned(),
        _ => "1".to_owned(),
    }
}

fn encoded(text: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_~".contains(byte);
    let one = |byte: u8| match plain(&byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    text.bytes().map(one).collect()
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A request, and whether its schemas take it.
struct Drawn {
    target: String,
    body: Option<Value>,
    good: bool,
}

impl Operation {
    fn parameters(&self, place: &'static str) -> impl Iterator<Item = &Value> {
        let all = self.told["parameters"].as_array().into_iter().flatten();
        all.filter(move |one| one["in"] == place)
    }

    fn json(&self) -> Option<&Value> {
        self.told["requestBody"]["content"]["application/json"].get("schema")
    }

    /// The path with arguments that the fake node knows.
    fn known_path(&self) -> String {
        let fill = |path: String, one: &Value| {
            let name = one["name"].as_str().unwrap();
            path.replace(&format!("{{{name}}}"), &known(&self.path, name))
        };
        format!("/api/v1{}", self.parameters("path").fold(self.path.clone(), fill))
    }

    fn drawn(&self, dice: &mut Dice) -> Drawn {
        let mut drawn = Drawn { target: self.known_path(), body: None, good: true };
        // One thing is changed at most, so that it must be that which is refused.
        let change = dice.below(4);
        if dice.coin() {
            drawn.target = self.drawn_path(dice, change == 1, &mut drawn.good);
        }
        let mut pairs = Vec::new();
        for one in self.parameters("query") {
            let required = one["required"] == true;
            if if required { dice.below(8) == 0 } else { dice.coin() } {
                drawn.good &= !required;
                continue;
            }
            let value = self.value(dice, &one["schema"], change == 2, &mut drawn.good);
            let values = value.as_array().cloned().unwrap_or_else(|| vec![value]);
            let name = one["name"].as_str().unwrap();
            pairs.extend(values.iter().map(|v| format!("{name}={}", encoded(&plain(v)))));
        }
        if !pairs.is_empty() {
            drawn.target = format!("{}?{}", drawn.target, pairs.join("&"));
        }
        if let Some(schema) = self.json() {
            let mut body = dice.good(schema);
            if change == 3 {
                body = dice.changed(body);
            }
            drawn.good &= validator(schema).is_valid(&body);
            drawn.body = Some(body);
        }
        drawn
    }

    fn drawn_path(&self, dice: &mut Dice, change: bool, good: &mut bool) -> String {
        let mut path = self.path.clone();
        for one in self.parameters("path") {
            let value = self.value(dice, &one["schema"], change, good);
            // Without it, it would be another path.
            let value = Some(plain(&value)).filter(|value| !value.is_empty());
            let value = encoded(&value.unwrap_or_else(|| "x".repeat(60)));
            path = path.replace(&format!("{{{}}}", one["name"].as_str().unwrap()), &value);
        }
        format!("/api/v1{path}")
    }

    /// A value of a parameter. All are texts on their way, so a text that looks like what is wanted
    /// is that.
    fn value(&self, dice: &mut Dice, schema: &Value, change: bool, good: &mut bool) -> Value {
        if !change {
            return dice.good(schema);
        }
        let text = match dice.below(4) {
            0 => plain(&dice.draw(&strange())),
            1 => "x".repeat(300),
            2 => "..%00".to_owned(),
            _ => "-1".to_owned(),
        };
        let number = text.parse::<u64>().map(Value::from);
        let valid = validator(schema);
        let listed = Value::from(vec![text.clone()]);
        let fits = valid.is_valid(&text.clone().into()) || valid.is_valid(&listed);
        *good &= fits || number.is_ok_and(|number| valid.is_valid(&number));
        text.into()
    }
}

async fn asked(server: &Server, method: &str, target: &str, body: Option<&str>) -> Answer {
    let json = body.map_or("", |_| "Content-Type: application/json\r\n");
    let headers = format!("{}{json}", key(GOOD));
    let asked = ask_any(server.address, method, target, &headers, body.unwrap_or(""));
    let answer = tokio::time::timeout(HANGS, asked).await;
    answer.unwrap_or_else(|_| panic!("{method} {target} hangs"))
}

/// What is wrong with an answer.
fn wrong(good: bool, answer: &Answer) -> Option<&'static str> {
    let beyond = BEYOND_SCHEMAS.iter().any(|words| answer.body.contains(words));
    match (good, answer.status) {
        (_, 500..) => Some("the server failed"),
        (true, 400) if !beyond => Some("it is good and was refused"),
        (false, status) if ![400, 404, 414].contains(&status) => Some("it is wrong and was taken"),
        _ => None,
    }
}

#[tokio::test]
async fn what_the_schemas_take_is_taken_and_nothing_else() {
    let (seed, cases) = (set("API_SEED", SEED), set("API_CASES", CASES));
    let mut found = Vec::new();
    for (number, operation) in (0..).zip(operations()) {
        let server = Server::start(Fake::new()).await;
        let mut dice = Dice::new(seed + number);
        let (mut taken, mut refused) = (0, 0);
        for case in 0..cases {
            let Drawn { target, body, good } = operation.drawn(&mut dice);
            let body = body.map(|body| body.to_string());
            let answer = asked(&server, &operation.method, &target, body.as_deref()).await;
            if let Some(wrong) = wrong(good, &answer) {
                let method = &operation.method;
                found.push(format!("case {case}, {method} {target} {body:?}: {wrong}: {answer:?}"));
                break;
            }
            taken += usize::from(answer.status < 400);
            refused += usize::from(answer.status >= 400);
        }
        let of = format!("{} {}", operation.method, operation.path);
        // The fake node has no room for parts, its upload cannot be finished, and what can be
        // ordered is beyond the schema.
        let never = ["/chunk/", "/finish", "/restore/status", "/orders"];
        let never = never.iter().any(|end| of.contains(end));
        if !never && taken == 0 || operation.parameters("path").count() > 0 && refused == 0 {
            found.push(format!("{of}: {taken} were taken, {refused} refused"));
        }
    }
    assert!(found.is_empty(), "API_SEED={seed}:\n{}", found.join("\n"));
}

#[tokio::test]
async fn bodies_that_are_garbage_are_refused() {
    let seed = set("API_SEED", SEED);
    let server = Server::start(Fake::new()).await;
    let mut dice = Dice::new(seed);
    for operation in operations() {
        let Some(schema) = operation.json() else { continue };
        for _ in 0..20 {
            let good = dice.good(schema).to_string();
            let cut = (1..good.len()).rev().find(|at| good.is_char_boundary(*at)).unwrap_or(0);
            let garbage = match dice.below(3) {
                0 => good[..cut].to_owned(),
                1 => format!("{good}{good}"),
                _ => dice.draw(&"\\PC{1,200}").replace(|c: char| c.is_ascii_digit(), "!"),
            };
            let answer =
                asked(&server, &operation.method, &operation.known_path(), Some(&garbage)).await;
            assert_eq!(answer.status, 400, "seed {seed}: {garbage:?}: {answer:?}");
        }
    }
    let looked = server.fake.asked.lock().unwrap().iter().all(|asked| asked.only_looks());
    assert!(looked, "something of it was carried out");
}

#[tokio::test]
async fn each_operation_needs_a_key() {
    for operation in operations() {
        let server = Server::start(Fake::new()).await;
        let (method, path) = (&*operation.method, operation.known_path());
        ask(server.address, method, &path, None).await.refused(401, "unauthorized");
        let unknown = "e".repeat(64);
        ask(server.address, method, &path, Some(&unknown)).await.refused(401, "unauthorized");
        assert_eq!(server.fake.asked.lock().unwrap().clone(), []);
    }
}

#[tokio::test]
async fn each_path_has_the_methods_that_are_described_and_no_others() {
    let server = Server::start(Fake::new()).await;
    let all = operations();
    for operation in &all {
        let path = operation.known_path();
        let same = all.iter().filter(|other| other.path == operation.path);
        let described: Vec<_> = same.map(|other| other.method.as_str()).collect();
        let allow = server.ask("OPTIONS", &path).await;
        let allow = allow.header("allow").unwrap().split(',').collect::<Vec<_>>();
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            assert_eq!(allow.contains(&method), described.contains(&method), "{method} {path}");
            if !described.contains(&method) {
                server.ask(method, &path).await.refused(405, "method_not_allowed");
            }
        }
    }
}

#[tokio::test]
async fn a_body_of_another_type_is_refused_everywhere() {
    let server = Server::start(Fake::new()).await;
    for operation in operations().iter().filter(|operation| operation.json().is_some()) {
        for kind in ["", "Content-Type: text/plain\r\n", "Content-Type: multipart/form-data\r\n"] {
            let headers = format!("{}{kind}", key(GOOD));
            let path = operation.known_path();
            let answer = ask_any(server.address, &operation.method, &path, &headers, "{}").await;
            answer.refused(415, "unsupported_media_type");
        }
    }
    assert_eq!(server.fake.asked.lock().unwrap().clone(), []);
}

#[tokio::test]
async fn a_parameter_that_nobody_reads_is_refused_everywhere() {
    let server = Server::start(Fake::new()).await;
    for operation in operations() {
        let path = format!("{}?surprise=1", operation.known_path());
        let body = operation.json().map(|_| "{}");
        asked(&server, &operation.method, &path, body).await.refused(400, "invalid");
    }
    let looked = server.fake.asked.lock().unwrap().iter().all(|asked| asked.only_looks());
    assert!(looked, "something was carried out all the same");
}
