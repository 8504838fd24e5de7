//! One operation, as it is described.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::{
    routes::{Group, Operation},
    schemas::Schemas,
};

/// The type of nearly all bodies.
const JSON: &str = "application/json";

/// What is being said of one operation.
pub(crate) struct Op<'a> {
    schemas: &'a mut Schemas,
    method: &'static str,
    path: &'static str,
    summary: &'static str,
    about: Option<&'static str>,
    args: BTreeMap<&'static str, &'static str>,
    parameters: Vec<Value>,
    body: Option<Value>,
    answers: BTreeMap<u16, Value>,
    fails: Vec<u16>,
    /// The handler reads the query by itself.
    pairs: bool,
    /// The handler reads the body by itself.
    all: bool,
}

impl<'a> Op<'a> {
    pub(super) fn new(schemas: &'a mut Schemas, group: &Group, of: &Operation) -> Self {
        let mut fails = vec![401, 429];
        if of.method != "get" {
            fails.push(403);
        }
        Self {
            schemas,
            method: of.method,
            path: of.path,
            summary: of.summary,
            about: None,
            args: group.args.iter().copied().collect(),
            parameters: Vec::new(),
            body: None,
            answers: BTreeMap::new(),
            fails,
            pairs: false,
            all: false,
        }
    }

    /// Says more than the summary; Markdown.
    #[must_use]
    pub(crate) fn about(mut self, about: &'static str) -> Self {
        self.about = Some(about);
        self
    }

    /// Says what an argument in this path is, where it is not what it is elsewhere.
    #[must_use]
    pub(crate) fn arg(mut self, name: &'static str, about: &'static str) -> Self {
        self.args.insert(name, about);
        self.parameters.iter_mut().filter(|one| one["name"] == name).for_each(|one| {
            one["description"] = about.into();
        });
        self
    }

    /// It is answered with JSON and this status.
    #[must_use]
    pub(crate) fn answers<T: JsonSchema>(mut self, status: u16) -> Self {
        let schema = self.schemas.answered::<T>();
        let answer =
            json!({ "description": reason(status), "content": { JSON: { "schema": schema } } });
        self.answers.insert(status, answer);
        self
    }

    /// It is answered with a list, which has a tag.
    #[must_use]
    pub(crate) fn lists<T: JsonSchema>(self) -> Self {
        self.answers::<T>(200).tagged()
    }

    /// Its answer has a tag, so that it need not be sent again.
    #[must_use]
    pub(crate) fn tagged(self) -> Self {
        let mut op = self.header(
            "If-None-Match",
            json!({ "type": "string" }),
            "The `ETag` of the answer that the client has.",
        );
        let tag =
            json!({ "description": "Names what is answered.", "schema": { "type": "string" } });
        if let Some(answer) = op.answers.get_mut(&200) {
            answer["headers"]["ETag"] = tag.clone();
        }
        let same = json!({ "description": reason(304), "headers": { "ETag": tag } });
        op.answers.insert(304, same);
        op
    }

    /// Its answers say where the thing is that was made or begun.
    #[must_use]
    pub(crate) fn located(mut self) -> Self {
        let place = json!({
            "description": "Where it is.", "schema": { "type": "string", "format": "uri-reference" }
        });
        for (_, answer) in self.answers.range_mut(201..=202) {
            answer["headers"]["Location"] = place.clone();
        }
        self
    }

    /// It is answered with something that is no JSON.
    #[must_use]
    pub(crate) fn raw(mut self, status: u16, media: &str, about: &str) -> Self {
        let answer = self.answers.entry(status).or_insert_with(|| json!({ "content": {} }));
        answer["description"] = about.into();
        let schema =
            if media.starts_with("text/") { json!({ "type": "string" }) } else { json!({}) };
        answer["content"][media] = json!({ "schema": schema });
        self
    }

    /// It is refused with these statuses too.
    #[must_use]
    pub(crate) fn fails(mut self, statuses: &[u16]) -> Self {
        self.fails.extend(statuses);
        self
    }

    /// It is refused with this status and more than the usual words.
    #[must_use]
    pub(crate) fn fails_with<T: JsonSchema>(self, status: u16) -> Self {
        self.answers::<T>(status)
    }

    /// It reads these parameters of the query.
    #[must_use]
    pub(crate) fn query<T: JsonSchema>(mut self) -> Self {
        self.pairs = false;
        self.take_query::<T>();
        self
    }

    /// It reads a header.
    #[must_use]
    pub(crate) fn header(mut self, name: &str, schema: Value, about: &str) -> Self {
        let header =
            json!({ "name": name, "in": "header", "description": about, "schema": schema });
        self.parameters.push(header);
        self
    }

    /// Its body cannot be left out, although each of its keys can.
    #[must_use]
    pub(crate) fn needs_body(mut self) -> Self {
        self.body.iter_mut().for_each(|body| body["required"] = true.into());
        self
    }

    /// It takes a body of this type that is no JSON.
    #[must_use]
    pub(crate) fn takes(mut self, media: &str, schema: Value, about: &str) -> Self {
        self.all = false;
        let body = self.body.get_or_insert_with(|| json!({ "required": true, "content": {} }));
        body["description"] = about.into();
        body["content"][media] = json!({ "schema": schema });
        self.fails.extend([408]);
        self
    }

    pub(super) fn take_args<T: JsonSchema>(&mut self) {
        self.fails.extend([400, 404]);
        let named: Vec<_> = arguments(self.path).collect();
        let schema = self.schemas.asked::<T>();
        let schemas = match schema["prefixItems"].as_array() {
            Some(schemas) => schemas.clone(),
            None if named.len() == 1 => vec![schema],
            None => {
                let mut fields = self.schemas.fields::<T>();
                let mut field = |name: &&str| fields.iter().position(|field| field.name == *name);
                let places: Vec<_> = named.iter().filter_map(&mut field).collect();
                places.into_iter().map(|at| std::mem::take(&mut fields[at].schema)).collect()
            }
        };
        for (name, schema) in named.into_iter().zip(schemas) {
            let about = self.args.get(name).copied().unwrap_or_default();
            self.parameters.push(json!({
                "name": name, "in": "path", "required": true, "description": about,
                "schema": schema
            }));
        }
    }

    pub(super) fn take_query<T: JsonSchema>(&mut self) {
        self.fails.push(400);
        for mut field in self.schemas.fields::<T>() {
            let about = field.schema.as_object_mut().and_then(|keys| keys.remove("description"));
            self.parameters.push(json!({
                "name": field.name, "in": "query", "required": field.required,
                "description": about, "schema": field.schema
            }));
        }
    }

    pub(super) fn take_pairs(&mut self) {
        self.pairs = true;
    }

    pub(super) fn take_json<T: JsonSchema + DeserializeOwned>(&mut self) {
        self.fails.extend([400, 408, 413, 415]);
        let schema = self.schemas.asked::<T>();
        // Without a body it is read as an object without keys.
        let needed = serde_json::from_str::<T>("{}").is_err();
        self.body = Some(json!({ "required": needed, "content": { JSON: { "schema": schema } } }));
    }

    pub(super) fn take_all(&mut self) {
        self.all = true;
    }

    /// What is missing, for who wrote the route.
    pub(super) fn missing(&self) -> Vec<String> {
        let mut missing = Vec::new();
        let mut lacks =
            |what: String| missing.push(format!("{} {} {what}", self.method, self.path));
        if !self.answers.keys().any(|status| (200..300).contains(status)) {
            lacks("says nothing of its answer: .answers::<T>(200)".to_owned());
        }
        if !self.summary.ends_with('.') {
            lacks("has a summary that is no sentence".to_owned());
        }
        if self.pairs {
            lacks("reads the query and does not say which: .query::<T>()".to_owned());
        }
        if self.all {
            lacks("reads the body and does not say which: .takes(…)".to_owned());
        }
        let of = |place: &str| -> Vec<&Value> {
            self.parameters.iter().filter(|one| one["in"] == place).collect()
        };
        for name in arguments(self.path) {
            if !of("path").iter().any(|one| one["name"] == name) {
                lacks(format!("does not read {{{name}}} by Args"));
            }
        }
        for one in &self.parameters {
            if one["description"].as_str().is_none_or(str::is_empty) {
                lacks(format!("does not say what {} is", one["name"]));
            }
        }
        missing
    }

    /// As OpenAPI says it.
    pub(super) fn told(self, tag: &str) -> Value {
        let mut responses = Map::new();
        for (status, answer) in &self.answers {
            responses.insert(status.to_string(), answer.clone());
        }
        for status in self.fails {
            let reference = json!({ "$ref": format!("#/components/responses/{status}") });
            responses.entry(status.to_string()).or_insert(reference);
        }
        responses.insert("default".to_owned(), json!({ "$ref": "#/components/responses/default" }));
        let mut told = json!({
            "operationId": id(self.method, self.path),
            "tags": [tag],
            "summary": self.summary,
            "responses": responses,
        });
        if let Some(about) = self.about {
            told["description"] = about.into();
        }
        if !self.parameters.is_empty() {
            told["parameters"] = self.parameters.into();
        }
        if let Some(body) = self.body {
            told["requestBody"] = body;
        }
        told
    }
}

/// The arguments in a path.
fn arguments(path: &'static str) -> impl Iterator<Item = &'static str> {
    let inside = |part: &'static str| part.split('}').next().unwrap_or_default();
    path.split('{').skip(1).map(inside).map(|name| name.trim_start_matches('*'))
}

/// `get_jobs_id_runs`.
fn id(method: &str, path: &str) -> String {
    let words = path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    std::iter::once(method).chain(words).collect::<Vec<_>>().join("_")
}

/// What a status means here.
pub(super) fn reason(status: u16) -> &'static str {
    match status {
        200 => "Done: this is it.",
        201 => "It was made.",
        202 => "It was begun, and goes on by itself.",
        204 => "Done; there is nothing to say.",
        206 => "A part of it.",
        304 => "Nothing has changed.",
        400 => "Something in the request makes no sense, or breaks a bound.",
        401 => "The key is missing or is not taken.",
        403 => "The key may only look, or the archive is not trusted.",
        404 => "There is no such thing.",
        408 => "The body stopped coming.",
        409 => "The name is taken, it is at work, in use or pinned, or was changed meanwhile.",
        413 => "The body is too large.",
        415 => "The body is of another type.",
        416 => "There is no such part of it.",
        422 => "What came is not what it was said to be.",
        429 => "Too many requests of this address had no valid key.",
        501 => "This machine cannot do it.",
        502 => "No node that could help answered.",
        503 => "Too much is going on.",
        507 => "The disk or a quota is full.",
        _ => "It was refused.",
    }
}
