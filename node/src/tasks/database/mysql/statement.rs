//! The heads of the statements of a dump that name their database, made to do without.

/// What becomes of the beginning of a statement.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It stays as it is.
    Same,
    /// This stands for it.
    Instead(Vec<u8>),
    /// It cannot be said yet: more of the statement is needed.
    More,
}

/// `ALTER DATABASE [name] CHARACTER SET …` without the name; none for any other.
pub(super) fn altered(statement: &[u8]) -> Option<Verdict> {
    let mut words = Words { text: statement, at: 0 };
    words.take_these(&["ALTER", "DATABASE"])?;
    let mut nameless = words;
    if nameless.take_these(&["CHARACTER", "SET"]).is_some() {
        return Some(Verdict::Same);
    }
    words.take_name()?;
    let rest = &statement[words.at..];
    words.take_these(&["CHARACTER", "SET"])?;
    Some(Verdict::Instead([b"ALTER DATABASE", rest].concat()))
}

/// `CREATE TRIGGER database.name … ON database.table` without the database.
pub(super) fn trigger(statement: &[u8]) -> Verdict {
    let mut words = Words { text: statement, at: 0 };
    match is_trigger(&mut words) {
        Some(true) => {}
        Some(false) => return Verdict::Same,
        None => return Verdict::More,
    }
    let Some(named) = databases(words) else { return Verdict::More };
    if named.iter().all(|(from, to)| from == to) {
        return Verdict::Same;
    }
    let [(first, after_first), (second, after_second)] = named;
    let kept = [&statement[..first], &statement[after_first..second], &statement[after_second..]];
    Verdict::Instead(kept.concat())
}

/// Whether it makes a trigger; the words are then behind that. None when that is not said yet.
fn is_trigger(words: &mut Words<'_>) -> Option<bool> {
    let create = words.take()?;
    if !is(create, "CREATE") {
        return Some(false);
    }
    let mut word = words.take()?;
    if is(word, "OR") {
        words.take()?;
        word = words.take()?;
    }
    if is(word, "DEFINER") {
        // `=`, the user, and `@` with a host or the brackets of CURRENT_USER().
        words.take()?;
        words.take()?;
        word = words.take()?;
        if matches!(word, b"@" | b"(") {
            words.take()?;
            word = words.take()?;
        }
    }
    Some(is(word, "TRIGGER"))
}

/// From where to where a trigger names the database: before its own name, and before the table's.
fn databases(mut words: Words<'_>) -> Option<[(usize, usize); 2]> {
    let mut unless = words;
    if unless.take_these(&["IF", "NOT", "EXISTS"]).is_some() {
        words = unless;
    }
    let own = words.take_qualified()?;
    while !is(words.take()?, "ON") {}
    Some([own, words.take_qualified()?])
}

fn is(word: &[u8], keyword: &str) -> bool {
    word.eq_ignore_ascii_case(keyword.as_bytes())
}

/// The words of a statement: names, quoted or not, and single signs. Comments are skipped, and of
/// the sort that only some versions execute the marks alone.
#[derive(Clone, Copy)]
struct Words<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Words<'a> {
    /// The next word; none when it is not known where it ends.
    fn take(&mut self) -> Option<&'a [u8]> {
        self.skip()?;
        let rest = &self.text[self.at..];
        let length = match *rest.first()? {
            quote @ (b'`' | b'"' | b'\'') => quoted(rest, quote)?,
            first if is_of_word(first) => rest.iter().position(|byte| !is_of_word(*byte))?,
            _ => 1,
        };
        self.at += length;
        Some(&rest[..length])
    }

    fn take_these(&mut self, keywords: &[&str]) -> Option<()> {
        keywords
            .iter()
            .all(|keyword| self.take().is_some_and(|word| is(word, keyword)))
            .then_some(())
    }

    fn take_name(&mut self) -> Option<&'a [u8]> {
        self.take().filter(|word| matches!(word[0], b'`' | b'"') || is_of_word(word[0]))
    }

    /// Takes `name` or `database.name`; from where to where the database stands, if it does.
    fn take_qualified(&mut self) -> Option<(usize, usize)> {
        self.skip()?;
        let from = self.at;
        self.take_name()?;
        let mut after = *self;
        if after.take()? != b"." {
            return Some((from, from));
        }
        after.skip()?;
        let to = after.at;
        after.take_name()?;
        *self = after;
        Some((from, to))
    }

    /// Goes to the beginning of the next word.
    fn skip(&mut self) -> Option<()> {
        loop {
            let rest = &self.text[self.at..];
            self.at += match rest {
                [] | [b'/' | b'*' | b'-'] | [b'-', b'-'] => return None,
                [first, ..] if first.is_ascii_whitespace() => 1,
                [b'*', b'/', ..] => 2,
                [b'/', b'*', b'!', ..] | [b'/', b'*', b'M', b'!', ..] => {
                    let mark = rest.iter().position(|byte| *byte == b'!')? + 1;
                    mark + rest[mark..].iter().position(|byte| !byte.is_ascii_digit())?
                }
                [b'/', b'*', ..] => rest.windows(2).skip(2).position(|end| end == b"*/")? + 4,
                [b'#', ..] => rest.iter().position(|byte| *byte == b'\n')? + 1,
                [b'-', b'-', space, ..] if space.is_ascii_whitespace() => {
                    rest.iter().position(|byte| *byte == b'\n')? + 1
                }
                _ => return Some(()),
            };
        }
    }
}

/// How long a quoted text is. Names have no backslash escapes.
fn quoted(text: &[u8], quote: u8) -> Option<usize> {
    let mut at = 1;
    loop {
        at += text[at..].iter().position(|byte| *byte == quote)? + 1;
        if *text.get(at)? != quote {
            return Some(at);
        }
        at += 1;
    }
}

fn is_of_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$') || !byte.is_ascii()
}

#[cfg(test)]
mod tests {
    use super::{Verdict, altered, trigger};

    #[test]
    fn a_database_is_altered_without_its_name() {
        for name in ["`shop`", "`sh``op; x`", "shop", "\"a b\"", "été", "`CHARACTER`"] {
            let to = " CHARACTER SET latin1 COLLATE latin1_bin ;\n";
            let instead = format!("ALTER DATABASE{to}").into_bytes();
            let got = altered(format!("ALTER DATABASE {name}{to}").as_bytes());
            assert_eq!(got, Some(Verdict::Instead(instead)), "{name}");
        }
        assert_eq!(altered(b"alter database character set utf8mb4;\n"), Some(Verdict::Same));
        for other in ["`a` READ ONLY = 1;", "`a`.`b` CHARACTER SET x;", "`a CHARACTER SET x;", ""] {
            assert_eq!(altered(format!("ALTER DATABASE {other}\n").as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn a_trigger_is_made_without_the_name_of_its_database() {
        for (head, instead) in [
            (
                "TRIGGER `sh``op`.`t.x` BEFORE INSERT ON shop.`a`",
                "TRIGGER `t.x` BEFORE INSERT ON `a`",
            ),
            ("trigger s . t\nafter update\non s/* y */.x", "trigger t\nafter update\non x"),
            (
                "TRIGGER IF NOT EXISTS t AFTER DELETE ON s.x",
                "TRIGGER IF NOT EXISTS t AFTER DELETE ON x",
            ),
            (
                "TRIGGER /* on s.x */ s.t AFTER DELETE ON x",
                "TRIGGER /* on s.x */ t AFTER DELETE ON x",
            ),
        ] {
            for create in [
                "CREATE ",
                "create or replace ",
                "CREATE DEFINER=`a TRIGGER`@`%` ",
                "CREATE DEFINER = CURRENT_USER() ",
                "/*!50003 CREATE*/ /*!50017 DEFINER=`r`@`localhost`*/ /*!50003 ",
            ] {
                let end = " FOR EACH ROW INSERT INTO s.log SELECT 1 FROM s.x */;;\n";
                let got = trigger(format!("{create}{head}{end}").as_bytes());
                let instead = format!("{create}{instead}{end}");
                assert_eq!(got, Verdict::Instead(instead.into_bytes()), "{create}{head}");
            }
        }
    }

    #[test]
    fn a_head_that_is_not_there_in_full_waits_and_others_stay() {
        let whole = "/*!50003 CREATE*/ /*!50017 DEFINER=`a`@`b`*/ /*!50003 TRIGGER t /* c */ \
                     BEFORE INSERT ON `x` FOR ";
        assert_eq!(trigger(whole.as_bytes()), Verdict::Same);
        for cut in 1..whole.len() {
            assert_eq!(trigger(&whole.as_bytes()[..cut]), Verdict::More, "{}", &whole[..cut]);
        }
        for other in [
            "CREATE TABLE `trigger` (\n",
            "CREATE DEFINER=`r`@`localhost` PROCEDURE `trigger`()\n",
            "/*!50003 CREATE ALGORITHM=UNDEFINED */\n",
        ] {
            assert_eq!(trigger(other.as_bytes()), Verdict::Same, "{other}");
        }
    }
}
