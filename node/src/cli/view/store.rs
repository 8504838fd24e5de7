//! The chunk store.

use protocol::control::{Damage, StoreChecked, StoreCollected, StoreRebuilt, StoreStats};

use super::more;
use crate::cli::format::{Facts, bytes, clean, duration};

pub(super) fn stats(stats: &StoreStats) -> String {
    let mut facts = Facts::default();
    facts
        .add("path", stats.path.to_string())
        .add("objects", format!("{}, {}", stats.objects, bytes(stats.object_bytes)))
        .add("packs", format!("{}, {}", stats.packs, bytes(stats.pack_bytes)))
        .add("garbage", bytes(stats.garbage_bytes))
        .add("index", bytes(stats.index_bytes))
        .add("free", bytes(stats.free_bytes));
    facts.text()
}

fn damages(total: u64, first: &[Damage]) -> String {
    let line = |damage: &Damage| {
        let object = damage.object.map_or(String::new(), |id| format!(" ({})", id.short()));
        let (pack, why) = (clean(&damage.pack), clean(&damage.why));
        format!("  {pack} at {}{object}: {why}\n", damage.offset)
    };
    first.iter().map(line).collect::<String>() + &more(total, first.len())
}

pub(super) fn checked(checked: &StoreChecked) -> String {
    let how = if checked.read_data { "every byte" } else { "frames and index" };
    let mut out = format!(
        "{how} of {} packs, {} objects, {} read in {}\n",
        checked.packs,
        checked.objects,
        bytes(checked.bytes),
        duration(checked.duration_ms)
    );
    if checked.damaged_total > 0 {
        out += &format!("{} damaged:\n", checked.damaged_total);
        out += &damages(checked.damaged_total, &checked.damaged);
    }
    if checked.missing_total > 0 {
        out += &format!("{} objects that archives need are missing\n", checked.missing_total);
    }
    out + if checked.sound() { "sound\n" } else { "NOT sound\n" }
}

pub(super) fn rebuilt(rebuilt: &StoreRebuilt) -> String {
    let out = format!(
        "index made again: {} objects in {} packs, {} read in {}\n",
        rebuilt.objects,
        rebuilt.packs,
        bytes(rebuilt.bytes),
        duration(rebuilt.duration_ms)
    );
    if rebuilt.damaged.is_empty() {
        return out;
    }
    format!("{out}left out, because it is damaged:\n{}", damages(0, &rebuilt.damaged))
}

pub(super) fn collected(collected: &StoreCollected) -> String {
    let verb = if collected.dry_run { "would be freed" } else { "freed" };
    format!(
        "{} {verb}: {} objects that no archive needs, {} are needed\n\
         {} packs deleted, {} written again ({}), in {}\n",
        bytes(collected.freed_bytes),
        collected.dead_objects,
        collected.live_objects,
        collected.packs_deleted,
        collected.packs_rewritten,
        bytes(collected.rewritten_bytes),
        duration(collected.duration_ms)
    )
}
