//! What a job of any kind can say: when it runs, what is kept, where copies lie, commands around it.

use clap::Args;
use protocol::{
    job::{Holders, JobSpec, Name, Seal},
    retention::Retention,
};

use super::{
    super::{Stop, value},
    around::Around,
    timing::Timing,
};

#[derive(Debug, Default, PartialEq, Args)]
pub(super) struct Policy {
    #[command(flatten)]
    timing: Timing,
    #[command(flatten)]
    keeping: Keeping,
    #[command(flatten)]
    around: Around,
}

#[derive(Debug, Default, PartialEq, Args)]
#[command(next_help_heading = "What is kept, and where")]
struct Keeping {
    /// Which archives stay: all, count:N, daily:DAYS, gfs (7 days, 4 weeks, 3 months) or
    /// gfs:DAYS,WEEKS,MONTHS [default when adding: all]
    #[arg(long, value_name = "RULE")]
    retention: Option<Retention>,
    /// Keep plain tars of the newest N archives in the archives folder; `auto`: 1 where YunoHost
    /// runs, 0 elsewhere [default when adding: auto]
    #[arg(long, value_name = "N", value_parser = value::keep_tar)]
    keep_tar: Option<value::KeepTar>,
    /// How many copies on other nodes [default when adding: 0]
    #[arg(long, value_name = "N")]
    copies: Option<u8>,
    /// Put copies on this node, several times for several; `any` for wherever there is room
    #[arg(long, value_name = "NODE")]
    on: Vec<Name>,
    /// Encrypt what is stored; `none` lets every holder read it [default when adding: auto]
    #[arg(long, value_enum)]
    seal: Option<SealWord>,
    /// zstd level, 1 to 19 [default when adding: 1]
    #[arg(long, value_name = "N")]
    level: Option<i8>,
}

#[derive(Clone, Copy, Debug, PartialEq, clap::ValueEnum)]
enum SealWord {
    Auto,
    None,
}

impl From<SealWord> for Seal {
    fn from(word: SealWord) -> Self {
        match word {
            SealWord::Auto => Self::Auto,
            SealWord::None => Self::None,
        }
    }
}

impl Policy {
    pub(super) fn apply(self, spec: &mut JobSpec) -> Result<(), Stop> {
        self.timing.apply(spec)?;
        self.keeping.apply(spec)?;
        self.around.apply(spec)
    }
}

impl Keeping {
    fn apply(self, spec: &mut JobSpec) -> Result<(), Stop> {
        spec.retention = self.retention.unwrap_or(spec.retention);
        if let Some(keep_tar) = self.keep_tar {
            spec.keep_tar = keep_tar.0;
        }
        spec.copies = self.copies.unwrap_or(spec.copies);
        if !self.on.is_empty() {
            spec.on = holders(self.on)?;
        }
        spec.seal = self.seal.map_or(spec.seal, Seal::from);
        spec.level = self.level.unwrap_or(spec.level);
        Ok(())
    }
}

fn holders(names: Vec<Name>) -> Result<Holders, Stop> {
    match names.iter().filter(|name| name.as_str() == "any").count() {
        0 => Ok(Holders::Named(names.into_iter().collect())),
        count if count == names.len() => Ok(Holders::Any),
        _ => {
            let hint = "say --on any alone, or name nodes only";
            Err(Stop::usage("cannot place the copies", "`any` stands beside named nodes", hint))
        }
    }
}
