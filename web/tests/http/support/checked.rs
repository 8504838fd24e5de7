//! Every answer that a test sees is held against the description of the API.

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock, Mutex},
};

use jsonschema::{Draft, Validator};
use serde_json::{Value, json};

use super::Answer;

/// Under which path everything described is.
const BASE: &str = "/api/v1";

const JSON: &str = "application/json";

/// The description, with objects closed that are open for clients: what it does not know of an
/// answer is a mistake here.
static STRICT: LazyLock<Value> = LazyLock::new(|| {
    let mut description = web::description().clone();
    for schema in description["components"]["schemas"].as_object_mut().unwrap().values_mut() {
        let keys = schema.as_object_mut().unwrap();
        if keys.contains_key("properties") {
            keys.entry("additionalProperties").or_insert(json!(false));
        }
    }
    description
});

type Validators = BTreeMap<String, Arc<Validator>>;

/// What was compiled, by the schema.
static VALIDATORS: LazyLock<Mutex<Validators>> = LazyLock::new(Mutex::default);

/// A validator of a schema that stands in the description.
pub(crate) fn validator(schema: &Value) -> Arc<Validator> {
    let mut all = VALIDATORS.lock().unwrap();
    let made = || {
        let schema = json!({ "allOf": [schema], "components": STRICT["components"] });
        let options = jsonschema::options().with_draft(Draft::Draft202012);
        Arc::new(options.should_validate_formats(true).build(&schema).unwrap())
    };
    Arc::clone(all.entry(schema.to_string()).or_insert_with(made))
}

/// What a reference stands for.
pub(crate) fn resolved(value: &Value) -> &Value {
    match value["$ref"].as_str() {
        Some(place) => resolved(STRICT.pointer(&place[1..]).unwrap()),
        None => value,
    }
}

/// The description of a path: where more than one fits, the one with the plainer beginning.
fn operations(path: &str) -> Option<&'static Value> {
    let parts = |path: &str| path.split('/').map(str::to_owned).collect::<Vec<_>>();
    let wanted = parts(path);
    let fits = |template: &String| {
        let template = parts(template);
        let same = |(template, part): (&String, &String)| {
            template == part || template.starts_with('{') && !part.is_empty()
        };
        template.len() == wanted.len() && template.iter().zip(&wanted).all(same)
    };
    let paths = STRICT["paths"].as_object().unwrap();
    let plain = |template: &String| -> Vec<bool> {
        parts(template).iter().map(|part| !part.starts_with('{')).collect()
    };
    let fitting = paths.iter().filter(|(template, _)| fits(template));
    fitting.max_by_key(|(template, _)| plain(template)).map(|(_, operations)| operations)
}

/// What is answered to the request that begins with these bytes.
pub(crate) fn check_first(request: &[u8], answered: &[u8]) {
    let line = request.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let Ok(line) = str::from_utf8(line) else { return };
    let [method, target, "HTTP/1.1"] = line.split(' ').collect::<Vec<_>>()[..] else { return };
    if answered.windows(4).any(|four| four == b"\r\n\r\n") {
        check(method, target, &Answer::parse(answered));
    }
}

/// That an answer is as the description says.
#[track_caller]
pub(crate) fn check(method: &str, target: &str, answer: &Answer) {
    let of = format!("{method} {target}: {answer:?}");
    let path = target.strip_prefix("http://node").unwrap_or(target).split('?').next().unwrap();
    let Some(path) = path.strip_prefix(BASE) else { return };
    let described = match method {
        "HEAD" => "get".to_owned(),
        method => method.to_ascii_lowercase(),
    };
    // A member of the mesh answers as this node does.
    let member = path.strip_prefix("/nodes/").and_then(|rest| rest.find('/').map(|at| &rest[at..]));
    let operations = operations(path).or_else(|| operations(member?));
    let operation = operations.map(|all| &all[&described]).filter(|one| one.is_object());
    let Some(operation) = operation.filter(|_| method == method.to_ascii_uppercase()) else {
        assert!(answer.status >= 400 || answer.status == 204, "it is not described: {of}");
        return;
    };
    let told = &operation["responses"][answer.status.to_string()];
    let told = if told.is_null() { &operation["responses"]["default"] } else { told };
    let by_default = *told == operation["responses"]["default"];
    assert!(!by_default || answer.status >= 400, "no such status is described: {of}");
    let told = resolved(told);
    for name in told["headers"].as_object().into_iter().flat_map(|headers| headers.keys()) {
        assert!(answer.header(&name.to_ascii_lowercase()).is_some(), "{name} is missing: {of}");
    }
    if method != "HEAD" {
        check_body(told, answer, &of);
    }
}

#[track_caller]
fn check_body(told: &Value, answer: &Answer, of: &str) {
    let length = answer.header("content-length").and_then(|bytes| bytes.parse::<usize>().ok());
    let Some(length) = length.filter(|length| answer.body.len() >= *length) else { return };
    // What is no HTTP at all is refused without a word.
    let wordless = [400, 431].contains(&answer.status) && length == 0;
    if wordless || answer.header("content-encoding").is_some() {
        return;
    }
    let Some(content) = told["content"].as_object() else {
        assert_eq!(length, 0, "a body is not described: {of}");
        return;
    };
    let kind = answer.header("content-type").unwrap_or("").split(';').next().unwrap();
    let told = content.get(kind).unwrap_or_else(|| panic!("the type is not described: {of}"));
    if kind == JSON {
        let body = answer.body.get(..length).unwrap_or(&answer.body);
        let body = serde_json::from_str(body).unwrap();
        if let Err(error) = validator(&told["schema"]).validate(&body) {
            panic!("{} {error}: {of}", error.instance_path());
        }
    }
}
