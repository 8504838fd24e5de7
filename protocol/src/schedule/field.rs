//! One field of a cron line: a list of numbers, ranges and steps, kept as a set of bits.

/// One of the five fields.
pub(super) struct Field {
    /// What it is called when something is wrong with it.
    pub(super) name: &'static str,
    min: u8,
    max: u8,
    /// Names of numbers, from `names_from` on.
    names: &'static [&'static str],
    names_from: u8,
}

const fn plain(name: &'static str, min: u8, max: u8) -> Field {
    Field { name, min, max, names: &[], names_from: 0 }
}

pub(super) const MINUTE: Field = plain("minute", 0, 59);
pub(super) const HOUR: Field = plain("hour", 0, 23);
pub(super) const DAY: Field = plain("day of the month", 1, 31);
pub(super) const MONTH: Field = Field {
    names: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
    names_from: 1,
    ..plain("month", 1, 12)
};
/// 7 is Sunday as 0 is; [`Set`] has only the 0.
pub(super) const WEEKDAY: Field = Field {
    names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
    ..plain("day of the week", 0, 7)
};

/// The numbers of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Set(u64);

impl Set {
    /// Whether a number is in it; numbers that no field has are not.
    pub(super) fn has(self, number: i8) -> bool {
        self.at_or_after(number) == Some(number)
    }

    /// The least number in it that is not below `number`.
    pub(super) fn at_or_after(self, number: i8) -> Option<i8> {
        let at = u32::try_from(number).ok().filter(|at| *at < u64::BITS)?;
        let left = self.0 >> at << at;
        (left != 0).then(|| i8::try_from(left.trailing_zeros()).ok()).flatten()
    }

    /// Whether it has every number of a field.
    pub(super) fn is_full(self, field: &Field) -> bool {
        (field.min..=field.max).all(|number| self.0 & bit(number) != 0)
    }
}

fn bit(number: u8) -> u64 {
    1 << number
}

impl Field {
    /// Reads the field's text.
    ///
    /// # Errors
    /// With what is wrong with it, to be read after the field's name.
    pub(super) fn parse(&self, text: &str) -> Result<Set, String> {
        let mut set = 0;
        for item in text.split(',') {
            let (first, last, step) = self.item(item)?;
            set |= (first..=last).step_by(step).fold(0, |set, number| set | bit(number));
        }
        if self.max == 7 && set & bit(7) != 0 {
            set = set & !bit(7) | bit(0);
        }
        Ok(Set(set))
    }

    /// One number, range or step of the list.
    fn item(&self, item: &str) -> Result<(u8, u8, usize), String> {
        let (range, step) = match item.split_once('/') {
            None => (item, 1),
            Some((range, step)) => (range, self.step(item, step)?),
        };
        if range == "*" {
            return Ok((self.min, self.max, step));
        }
        let Some((first, last)) = range.split_once('-') else {
            let number = self.number(range)?;
            if range.len() < item.len() {
                let max = self.max;
                return Err(format!("{item:?} steps from where to where? {range}-{max}/{step}"));
            }
            return Ok((number, number, step));
        };
        let (first, mut last) = (self.number(first)?, self.number(last)?);
        if self.max == 7 && last == 0 && first > 0 {
            // Saturday to Sunday: as the last of a range, Sunday ends the week.
            last = 7;
        }
        if first > last {
            return Err(format!("{item:?} ends before it begins"));
        }
        Ok((first, last, step))
    }

    fn number(&self, text: &str) -> Result<u8, String> {
        let lower = text.to_ascii_lowercase();
        if let Some(at) = self.names.iter().position(|name| *name == lower) {
            return Ok(self.names_from + u8::try_from(at).unwrap_or(0));
        }
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !digits {
            return Err(format!("{text:?} is neither a number nor anything else that it can be"));
        }
        let number = text.parse().ok().filter(|n| (self.min..=self.max).contains(n));
        number.ok_or_else(|| format!("{text} is not within {} to {}", self.min, self.max))
    }

    fn step(&self, item: &str, text: &str) -> Result<usize, String> {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let step = text.parse().ok().filter(|step| digits && (1..=self.max.into()).contains(step));
        step.ok_or_else(|| format!("{item:?} has a step that is not within 1 to {}", self.max))
    }
}
