//! What a notice says: the one place where its words are.

use super::NoticeKind;

/// The languages that people read notices in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// English.
    English,
    /// French.
    French,
}

impl NoticeKind {
    /// The message about a subject, with its reason where one is known.
    #[must_use]
    pub fn text(self, language: Language, subject: &str, why: Option<&str>) -> String {
        let (colon, said) = match language {
            Language::English => (": ", self.english(subject)),
            Language::French => ("\u{a0}: ", self.french(subject)),
        };
        match why.filter(|why| !why.is_empty()) {
            Some(why) => format!("{said}{colon}{why}"),
            None => said,
        }
    }

    fn english(self, subject: &str) -> String {
        match self {
            Self::RunFailed => format!("The job {subject} failed"),
            Self::RunWarnings => format!("The job {subject} made an archive that lacks something"),
            Self::ScheduleMissed => format!("The job {subject} was due and did not run"),
            Self::ArchiveHurt => format!("The archive {subject} is damaged or incomplete here"),
            Self::CopiesShort => {
                format!("The archive {subject} has had too few copies for more than a day")
            }
            Self::DiskFull => format!("The disk of {subject} is nearly full"),
            Self::InstanceOffline => format!("The instance {subject} does not answer as it should"),
            Self::InstanceBack => format!("The instance {subject} answers again"),
            Self::TransferFailed => format!("The transfer of {subject} was given up"),
            Self::OrderRefused => format!("The order {subject} was refused"),
            Self::OrderFailed => format!("The order {subject} was not carried out"),
        }
    }

    fn french(self, subject: &str) -> String {
        match self {
            Self::RunFailed => format!("La tâche {subject} a échoué"),
            Self::RunWarnings => {
                format!(
                    "La tâche {subject} a produit une archive à laquelle il manque quelque chose"
                )
            }
            Self::ScheduleMissed => {
                format!("La tâche {subject} était prévue et n’a pas été exécutée")
            }
            Self::ArchiveHurt => format!("L’archive {subject} est abîmée ou incomplète ici"),
            Self::CopiesShort => {
                format!("L’archive {subject} a trop peu de copies depuis plus d’un jour")
            }
            Self::DiskFull => format!("Le disque de {subject} est presque plein"),
            Self::InstanceOffline => format!("L’instance {subject} ne répond pas comme il faut"),
            Self::InstanceBack => format!("L’instance {subject} répond de nouveau"),
            Self::TransferFailed => format!("Le transfert de {subject} a été abandonné"),
            Self::OrderRefused => format!("L’ordre {subject} a été refusé"),
            Self::OrderFailed => format!("L’ordre {subject} n’a pas été exécuté"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_text_in_both_languages_that_names_its_subject() {
        for kind in NoticeKind::ALL {
            let english = kind.text(Language::English, "docs", Some("no room"));
            let french = kind.text(Language::French, "docs", Some("no room"));
            assert_ne!(english, french);
            assert!(english.contains("docs") && english.ends_with(": no room"), "{english}");
            assert!(french.contains("docs") && french.ends_with("\u{a0}: no room"), "{french}");
            let plain = kind.text(Language::English, "docs", Some(""));
            assert_eq!(plain, kind.text(Language::English, "docs", None));
            assert!(!plain.contains(": "), "{plain}");
        }
    }
}
