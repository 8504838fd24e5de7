//! Examples: those of API.md, which a test compares with what is really answered.

use serde_json::{Value, json};

/// The document that people read.
const DOCUMENT: &str = include_str!("../../API.md");

/// One exchange.
struct Example<'a> {
    method: String,
    path: &'a str,
    body: Option<Value>,
    status: &'a str,
    answer: Value,
}

/// Adds each exchange to the operation that it shows.
pub(super) fn add(document: &mut Value, base: &str) {
    for example in DOCUMENT.split("```\n").filter_map(|block| read(block, base)) {
        let Some(paths) = document["paths"].as_object_mut() else { return };
        let found = paths.iter_mut().find(|(template, operations)| {
            matches(template, example.path) && operations.get(&example.method).is_some()
        });
        let Some((_, operations)) = found else { continue };
        let operation = &mut operations[&example.method];
        let content = operation.pointer_mut("/requestBody/content/application~1json");
        if let (Some(content), Some(body)) = (content, example.body)
            && example.status.starts_with('2')
        {
            number(&mut content["examples"], body);
        }
        let place = format!("/responses/{}/content/application~1json", example.status);
        if let Some(content) = operation.pointer_mut(&place) {
            number(&mut content["examples"], example.answer);
        }
    }
}

/// A method and a path, perhaps a body, an empty line, the status and what is answered.
fn read<'a>(block: &'a str, base: &str) -> Option<Example<'a>> {
    let (asked, answered) = block.split_once("\n\n")?;
    let (line, body) = asked.split_once('\n').unwrap_or((asked, ""));
    let (method, path) = line.split_once(' ')?;
    let path = path.strip_prefix(base)?.split('?').next()?;
    let (status, answer) = answered.split_once('\n')?;
    Some(Example {
        method: method.to_ascii_lowercase(),
        path,
        body: serde_json::from_str(body).ok(),
        status,
        answer: serde_json::from_str(answer).ok()?,
    })
}

fn matches(template: &str, path: &str) -> bool {
    let (template, path) = (template.split('/'), path.split('/'));
    let same = |(template, part): (&str, &str)| template.starts_with('{') || template == part;
    template.clone().count() == path.clone().count() && template.zip(path).all(same)
}

fn number(examples: &mut Value, value: Value) {
    let number = examples.as_object().map_or(0, serde_json::Map::len) + 1;
    examples[number.to_string()] = json!({ "value": value });
}
