//! Texts as HTML.

use std::borrow::Cow;

/// A text that means nothing to a browser, in an element as in a quoted attribute.
pub(super) fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(['&', '<', '>', '"', '\'']) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out.into()
}

/// A text in which what stands between backticks is code.
pub(super) fn line(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for (at, part) in text.split('`').enumerate() {
        match at % 2 {
            0 => out.push_str(&escaped(part)),
            _ => out.push_str(&format!("<code>{}</code>", escaped(part))),
        }
    }
    out
}

/// Paragraphs and lists.
pub(super) fn prose(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 64);
    for paragraph in text.split("\n\n").filter(|paragraph| !paragraph.trim().is_empty()) {
        let items: Vec<_> = paragraph.split('\n').map(|item| item.strip_prefix("- ")).collect();
        if items.iter().all(Option::is_some) {
            let items = items.into_iter().flatten().map(|item| format!("<li>{}</li>", line(item)));
            out.push_str(&format!("<ul>{}</ul>", items.collect::<String>()));
        } else {
            out.push_str(&format!("<p>{}</p>", line(paragraph)));
        }
    }
    out
}

/// A table that can be scrolled where the window is narrower than it.
pub(super) fn table(label: &str, columns: &[&str], rows: &str) -> String {
    let columns: String =
        columns.iter().map(|column| format!("<th scope=\"col\">{column}</th>")).collect();
    format!(
        "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"{}\"><table><thead><tr>\
         {columns}</tr></thead><tbody>{rows}</tbody></table></div>",
        escaped(label)
    )
}
