//! Each operation: what it takes, what it answers, and how curl asks for it.

use std::fmt::Write as _;

use serde_json::Value;

use super::{
    html::{escaped, line, prose, table},
    schemas::{kind, resolved},
    words::Words,
};

/// In the order in which a path's operations are shown.
const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// How many lines of an example are shown.
const EXAMPLE_LINES_MAX: usize = 60;

pub(super) fn write(page: &mut String, words: &Words, description: &Value) {
    let paths = || description["paths"].as_object().into_iter().flatten();
    for tag in description["tags"].as_array().into_iter().flatten() {
        let name = tag["name"].as_str().unwrap_or_default();
        let about = line(tag["description"].as_str().unwrap_or_default());
        let _ = write!(
            page,
            "<section lang=\"en\"><h2 id=\"tag-{0}\">{0}</h2><p>{about}</p>",
            escaped(name)
        );
        for (path, operations) in paths() {
            for method in METHODS {
                if operations[method]["tags"][0] == name {
                    let of = Shown { words, description, method, path, told: &operations[method] };
                    page.push_str(&of.written());
                }
            }
        }
        page.push_str("</section>");
    }
}

struct Shown<'a> {
    words: &'a Words,
    description: &'a Value,
    method: &'static str,
    path: &'a str,
    told: &'a Value,
}

impl Shown<'_> {
    fn written(&self) -> String {
        let text = |key: &str| self.told[key].as_str().unwrap_or_default();
        let (id, path) = (escaped(text("operationId")), escaped(self.path));
        let method = self.method.to_ascii_uppercase();
        format!(
            "<article aria-labelledby=\"{id}\"><h3 id=\"{id}\"><a href=\"#{id}\"><code>\
             <b class=\"{}\">{method}</b> {path}</code></a></h3><p>{}</p>{}{}{}{}{}</article>",
            self.method,
            line(text("summary")),
            prose(text("description")),
            self.parameters(),
            self.body(),
            self.answers(),
            self.example(),
        )
    }

    fn heading(&self, title: &str) -> String {
        format!("<h4 lang=\"{}\">{title}</h4>", self.words.lang)
    }

    fn columns<const N: usize>(&self, columns: [&'static str; N]) -> Vec<String> {
        columns.map(|name| format!("<span lang=\"{}\">{name}</span>", self.words.lang)).into()
    }

    fn parameters(&self) -> String {
        let words = self.words;
        let mut rows = String::new();
        for one in self.told["parameters"].as_array().into_iter().flatten() {
            let text = |key: &str| one[key].as_str().unwrap_or_default();
            let place = match text("in") {
                "path" => words.places[0],
                "query" => words.places[1],
                _ => words.places[2],
            };
            let needed = match one["required"] == true {
                true => format!(" <i lang=\"{}\">{}</i>", words.lang, words.needed),
                false => String::new(),
            };
            let _ = write!(
                rows,
                "<tr><td><code>{}</code>{needed}</td><td lang=\"{}\">{place}</td><td>{}</td>\
                 <td>{}</td></tr>",
                escaped(text("name")),
                words.lang,
                kind(words, &one["schema"]),
                prose(text("description")),
            );
        }
        if rows.is_empty() {
            return rows;
        }
        let columns = self.columns([words.name, words.place, words.kind, words.meaning]);
        let columns: Vec<_> = columns.iter().map(String::as_str).collect();
        self.heading(words.parameters) + &table(words.parameters, &columns, &rows)
    }

    fn body(&self) -> String {
        let body = &self.told["requestBody"];
        let mut kinds = String::new();
        for (media, content) in body["content"].as_object().into_iter().flatten() {
            let schema = kind(self.words, &content["schema"]);
            let _ = write!(kinds, "<li><code>{}</code> {schema}</li>", escaped(media));
        }
        if kinds.is_empty() {
            return kinds;
        }
        let about = line(body["description"].as_str().unwrap_or_default());
        format!("{}<p>{about}</p><ul>{kinds}</ul>", self.heading(self.words.body))
    }

    fn answers(&self) -> String {
        let words = self.words;
        let mut rows = String::new();
        for (status, answer) in self.told["responses"].as_object().into_iter().flatten() {
            let answer = resolved(self.description, answer);
            let status = if status == "default" { words.otherwise } else { status };
            let kinds = answer["content"].as_object().into_iter().flatten();
            let kinds: Vec<_> = kinds
                .map(|(media, content)| match media.as_str() {
                    "application/json" => kind(words, &content["schema"]),
                    media => format!("<code>{}</code>", escaped(media)),
                })
                .collect();
            let kinds = match kinds.is_empty() {
                true => format!("<i lang=\"{}\">{}</i>", words.lang, words.nothing),
                false => kinds.join(", "),
            };
            let about = line(answer["description"].as_str().unwrap_or_default());
            let _ = write!(rows, "<tr><td>{status}</td><td>{kinds}</td><td>{about}</td></tr>");
        }
        let columns = self.columns([words.status, words.kind, words.meaning]);
        let columns: Vec<_> = columns.iter().map(String::as_str).collect();
        self.heading(words.answers) + &table(words.answers, &columns, &rows)
    }

    fn example(&self) -> String {
        let curl = escaped(&self.curl()).into_owned();
        let mut out = format!(
            "{}<pre tabindex=\"0\"><code>{curl}</code></pre>",
            self.heading(self.words.example)
        );
        let answers = self.told["responses"].as_object().into_iter().flatten();
        let good = answers.filter(|(status, _)| status.starts_with('2'));
        let mut examples = good.filter_map(|(_, answer)| first(&answer["content"]));
        if let Some(example) = examples.next() {
            let text = serde_json::to_string_pretty(example).unwrap_or_default();
            let mut lines: Vec<_> = text.lines().take(EXAMPLE_LINES_MAX).collect();
            if text.lines().count() > EXAMPLE_LINES_MAX {
                lines.push("…");
            }
            let _ = write!(
                out,
                "<details><summary lang=\"{}\">{}</summary><pre tabindex=\"0\"><code>{}</code>\
                 </pre></details>",
                self.words.lang,
                self.words.example_answer,
                escaped(&lines.join("\n")),
            );
        }
        out
    }

    /// What to type. Arguments are in capitals.
    fn curl(&self) -> String {
        let mut curl = "curl -H \"X-BackupManager-Key: $KEY\"".to_owned();
        if self.method != "get" {
            let _ = write!(curl, " -X {}", self.method.to_ascii_uppercase());
        }
        let content = &self.told["requestBody"]["content"];
        if content.get("application/json").is_some() {
            let body = first(content).map_or("@body.json".to_owned(), |body| {
                format!("'{}'", body.to_string().replace('\'', "'\\''"))
            });
            let _ = write!(curl, " \\\n  -H 'Content-Type: application/json' -d {body}");
        } else if content.is_object() {
            curl.push_str(" \\\n  --data-binary @part");
        }
        let arguments = |(at, part): (usize, &str)| match (at, part.split_once('}')) {
            (1.., Some((name, rest))) => format!("{}{rest}", name.to_ascii_uppercase()),
            _ => part.to_owned(),
        };
        let path: String = self.path.split('{').enumerate().map(arguments).collect();
        let _ = write!(curl, " \\\n  \"$URL{path}\"");
        curl
    }
}

/// The first example of JSON.
fn first(content: &Value) -> Option<&Value> {
    let examples = content["application/json"]["examples"].as_object()?;
    examples.values().next().map(|example| &example["value"])
}
