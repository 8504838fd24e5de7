//! The description for people: one page of HTML without scripts, in English or French.
//!
//! Headings are translated, what the API says of itself is not: it is one text with the code. All
//! texts are escaped where they are written ([`html`]), and the page may load nothing at all.

mod html;
mod operations;
mod schemas;
mod words;

use std::{fmt::Write as _, sync::LazyLock};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use self::html::{escaped, prose};
use super::description;
pub(crate) use words::Language;
use words::Words;

/// How it looks. There is no file of its own: the page is all there is to fetch.
const STYLE: &str = include_str!("style.css");

/// What the page may load: its own style, known by its hash.
pub(crate) static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = STANDARD.encode(Sha256::digest(STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    )
});

/// The page in a language.
pub(crate) fn page(language: Language) -> Bytes {
    static ENGLISH: LazyLock<Bytes> = LazyLock::new(|| written(&words::ENGLISH));
    static FRENCH: LazyLock<Bytes> = LazyLock::new(|| written(&words::FRENCH));
    match language {
        Language::En => ENGLISH.clone(),
        Language::Fr => FRENCH.clone(),
    }
}

fn written(words: &Words) -> Bytes {
    let description = description();
    let mut page = String::with_capacity(256 << 10);
    head(&mut page, words);
    contents(&mut page, words, description);
    let _ = write!(page, "<main id=\"main\"><h1>{}</h1>", words.title);
    let about = description["info"]["description"].as_str().unwrap_or_default();
    let _ = write!(page, "<div lang=\"en\">{}</div>", prose(about));
    let _ = write!(page, "<h2 id=\"begin\">{}</h2>{}", words.begin, words.how_to_begin);
    operations::write(&mut page, words, description);
    schemas::write(&mut page, words, description);
    page.push_str("</main></body></html>\n");
    page.into()
}

fn head(page: &mut String, words: &Words) {
    let (lang, title, skip, other) = (words.lang, words.title, words.skip, words.other);
    let _ = write!(
        page,
        "<!DOCTYPE html>\n<html lang=\"{lang}\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\"><title>{title}</title>\
         <style>{STYLE}</style></head><body><a class=\"skip\" href=\"#main\">{skip}</a>\
         <header><strong>backupmanager</strong> <a href=\"openapi.json\">OpenAPI 3.1</a> {other}\
         </header>",
    );
}

fn contents(page: &mut String, words: &Words, description: &Value) {
    let _ = write!(
        page,
        "<nav aria-label=\"{0}\"><details open><summary>{0}</summary><ul>\
         <li><a href=\"#begin\">{1}</a></li>",
        words.contents, words.begin
    );
    for tag in description["tags"].as_array().into_iter().flatten() {
        let name = escaped(tag["name"].as_str().unwrap_or_default());
        let _ = write!(page, "<li lang=\"en\"><a href=\"#tag-{name}\">{name}</a></li>");
    }
    let _ =
        write!(page, "<li><a href=\"#schemas\">{}</a></li></ul></details></nav>", words.schemas);
}

#[cfg(test)]
mod tests;
