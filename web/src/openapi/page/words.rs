//! The page's own words, in two languages.

use schemars::JsonSchema;
use serde::Deserialize;

/// A language of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(crate) enum Language {
    /// English.
    En,
    /// French.
    Fr,
}

impl Language {
    /// What an `Accept-Language` likes better; English when it says nothing of either.
    pub(crate) fn liked(accept: &str) -> Self {
        let (mut liked, mut most) = (Self::En, 0.0);
        for one in accept.split(',') {
            let (range, rest) = one.split_once(';').unwrap_or((one, ""));
            let weight = rest.trim().strip_prefix("q=").map_or(1.0, |q| q.parse().unwrap_or(0.0));
            let primary = range.trim().split('-').next().unwrap_or_default();
            let language = match () {
                () if primary.eq_ignore_ascii_case("fr") => Self::Fr,
                () if primary.eq_ignore_ascii_case("en") => Self::En,
                () => continue,
            };
            if weight > most {
                (liked, most) = (language, weight);
            }
        }
        liked
    }
}

/// Everything that is said by the page itself; some of it is HTML.
pub(super) struct Words {
    pub(super) lang: &'static str,
    pub(super) title: &'static str,
    pub(super) skip: &'static str,
    /// The way to the other language.
    pub(super) other: &'static str,
    pub(super) contents: &'static str,
    pub(super) begin: &'static str,
    pub(super) how_to_begin: &'static str,
    pub(super) schemas: &'static str,
    pub(super) parameters: &'static str,
    pub(super) body: &'static str,
    pub(super) answers: &'static str,
    pub(super) example: &'static str,
    pub(super) example_answer: &'static str,
    pub(super) name: &'static str,
    pub(super) place: &'static str,
    pub(super) kind: &'static str,
    pub(super) meaning: &'static str,
    pub(super) status: &'static str,
    pub(super) otherwise: &'static str,
    pub(super) needed: &'static str,
    pub(super) nothing: &'static str,
    pub(super) list_of: &'static str,
    pub(super) map_of: &'static str,
    pub(super) one_of: &'static str,
    pub(super) or: &'static str,
    pub(super) default: &'static str,
    pub(super) characters: &'static str,
    pub(super) items: &'static str,
    pub(super) more_keys: &'static str,
    /// In the path, in the query, in a header.
    pub(super) places: [&'static str; 3],
}

pub(super) const ENGLISH: Words = Words {
    lang: "en",
    title: "The HTTP interface",
    skip: "Skip to the text",
    other: "<a href=\"?lang=fr\" hreflang=\"fr\" lang=\"fr\">Français</a>",
    contents: "Contents",
    begin: "How to begin",
    how_to_begin: "<p>The examples below need two variables; a key is made on the server, and \
        <code>--read-only</code> makes one that changes nothing.</p><pre tabindex=\"0\"><code>\
        URL=https://example.org/api/v1\nKEY=$(backupmanager key create phone)</code></pre>",
    schemas: "Schemas",
    parameters: "Parameters",
    body: "Body",
    answers: "Answers",
    example: "Example",
    example_answer: "An answer",
    name: "Name",
    place: "Where",
    kind: "Type",
    meaning: "Meaning",
    status: "Status",
    otherwise: "other",
    needed: "needed",
    nothing: "no body",
    list_of: "list of",
    map_of: "object of",
    one_of: "One of",
    or: "or",
    default: "when left out",
    characters: "characters",
    items: "items",
    more_keys: "Other keys may stand beside these.",
    places: ["path", "query", "header"],
};

pub(super) const FRENCH: Words = Words {
    lang: "fr",
    title: "L’interface HTTP",
    skip: "Aller au texte",
    other: "<a href=\"?lang=en\" hreflang=\"en\" lang=\"en\">English</a>",
    contents: "Sommaire",
    begin: "Pour commencer",
    how_to_begin: "<p>Les exemples ci-dessous supposent deux variables ; une clé se crée sur le \
        serveur, et <code>--read-only</code> en crée une qui ne change rien. Les textes du \
        programme sont en anglais.</p><pre tabindex=\"0\"><code>URL=https://example.org/api/v1\n\
        KEY=$(backupmanager key create phone)</code></pre>",
    schemas: "Schémas",
    parameters: "Paramètres",
    body: "Corps",
    answers: "Réponses",
    example: "Exemple",
    example_answer: "Une réponse",
    name: "Nom",
    place: "Où",
    kind: "Type",
    meaning: "Sens",
    status: "Statut",
    otherwise: "autre",
    needed: "obligatoire",
    nothing: "sans corps",
    list_of: "liste de",
    map_of: "objet de",
    one_of: "L’un de",
    or: "ou",
    default: "par défaut",
    characters: "caractères",
    items: "éléments",
    more_keys: "D’autres clés peuvent s’y ajouter.",
    places: ["chemin", "requête", "en-tête"],
};
