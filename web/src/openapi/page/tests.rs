use super::{
    html::{escaped, line, prose},
    *,
};

#[test]
fn no_text_becomes_markup() {
    let evil = "<script>alert('x')</script>&\"";
    for written in [escaped(evil).into_owned(), line(evil), prose(evil), line(&format!("`{evil}`"))]
    {
        assert!(!written.contains("<script") && !written.contains('\''), "{written}");
        assert!(written.contains("&lt;script&gt;alert(&#39;x&#39;)") && written.contains("&amp;"));
    }
    assert_eq!(prose("a `b`\n\n- c\n- d"), "<p>a <code>b</code></p><ul><li>c</li><li>d</li></ul>");
}

#[test]
fn the_language_is_the_one_that_is_liked_best() {
    for (accept, liked) in [
        ("", Language::En),
        ("fr", Language::Fr),
        ("de, fr-CA;q=0.4", Language::Fr),
        ("fr;q=0.5, en-GB;q=0.6", Language::En),
        ("fr;q=0", Language::En),
        ("FR, en", Language::Fr),
        ("*;q=x, ;;,", Language::En),
    ] {
        assert_eq!(Language::liked(accept), liked, "{accept}");
    }
}

/// Tags that are opened and closed in pairs, and attributes in quotes: what a parser would ask for.
#[test]
fn the_page_is_well_formed_and_loads_nothing() {
    for language in [Language::En, Language::Fr] {
        let page = String::from_utf8(page(language).to_vec()).expect("UTF-8");
        let mut open = Vec::new();
        for piece in page.split('<').skip(1) {
            let (tag, text) = piece.split_once('>').expect("a tag ends");
            assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
            assert!(open.last() == Some(&"style") || !text.contains('>'), "{text}");
            let name = tag.split([' ', '/']).next().unwrap_or_default();
            match tag.strip_prefix('/') {
                Some(closed) => assert_eq!(open.pop(), Some(closed), "{piece}"),
                None if ["!DOCTYPE", "meta", "br"].contains(&name) => {}
                None => open.push(name),
            }
        }
        assert_eq!(open, Vec::<&str>::new());
        for word in ["<script", "<img", "<link", "http-equiv", "javascript:", " src=", "@import"] {
            assert!(!page.contains(word), "{word}");
        }
        let ids: Vec<_> = page.split(" id=\"").skip(1).map(|rest| rest.split('"').next()).collect();
        let id = |wanted: &str| ids.iter().filter(|id| **id == Some(wanted)).count();
        for place in page.split("href=\"#").skip(1) {
            let place = place.split('"').next().expect("it ends");
            assert_eq!(id(place), 1, "{place}");
        }
    }
}
