use clap::CommandFactory;

use super::*;

/// Every command that does something, by its words.
fn leaves(command: &clap::Command, words: &str, found: &mut Vec<(String, clap::Command)>) {
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
        let words = format!("{words} {}", sub.get_name());
        if sub.has_subcommands() {
            leaves(sub, &words, found);
        } else {
            found.push((words, sub.clone()));
        }
    }
}

fn all() -> Vec<(String, clap::Command)> {
    let mut command = Cli::command();
    command.build();
    let mut found = Vec::new();
    leaves(&command, "backupmanager", &mut found);
    found
}

#[test]
fn clap_finds_no_fault_in_the_commands() {
    Cli::command().debug_assert();
}

#[test]
fn every_command_of_the_design_is_there() {
    let words: Vec<_> = all().into_iter().map(|(words, _)| words).collect();
    for group in [
        "serve agent demo status workers completions",
        "mesh: invite join list show grant expel",
        "job: list show choices run remove edit",
        "job add: ynh_app ynh_system custom_dir mysql postgresql",
        "run: list show cancel",
        "archive: list show contents verify export restore transfer pin unpin adopt remove",
        "retention: preview apply",
        "store: stats check rebuild gc",
        "key: create list revoke",
    ] {
        let (prefix, names) = group.split_once(": ").unwrap_or(("", group));
        for name in names.split(' ') {
            let words_wanted = format!("backupmanager {prefix} {name}");
            let words_wanted = words_wanted.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(words.contains(&words_wanted), "{words_wanted}");
        }
    }
}

/// The words of a line as a shell would have them, up to a pipe.
fn typed(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (n, part) in line.split('\'').enumerate() {
        if n % 2 == 1 {
            words.push(part.to_owned());
            continue;
        }
        let end = part.find(['|', '>', '<']);
        words.extend(part[..end.unwrap_or(part.len())].split_whitespace().map(str::to_owned));
        if end.is_some() {
            break;
        }
    }
    words
}

#[test]
fn every_help_teaches_by_examples_that_parse() {
    let mut parsed = 0;
    for (words, mut command) in all() {
        let help = command.render_long_help().to_string();
        assert!(help.contains("Examples:"), "{words} has no examples");
        assert!(help.contains("--json"), "{words} does not tell of --json");
        let after = help.split_once("Examples:").unwrap().1;
        let examples = after.lines().map(str::trim).filter(|l| l.starts_with("backupmanager "));
        for example in examples {
            let typed = typed(example);
            Cli::try_parse_from(&typed).unwrap_or_else(|error| panic!("{example}: {error}"));
            assert!(example.starts_with(&words), "{example} stands under {words}");
            parsed += 1;
        }
    }
    assert!(parsed > 70, "{parsed}");
}

#[test]
fn values_that_make_no_sense_are_refused_with_the_reason() {
    let refused = |line: &str| {
        let error = Cli::try_parse_from(line.split(' ')).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{line}");
        error.to_string()
    };
    for (line, wanted) in [
        ("backupmanager job add custom_dir a/b /srv", "'/' cannot be in a name"),
        ("backupmanager job add custom_dir a", "<PATH>"),
        ("backupmanager job add svn a", "unrecognized subcommand 'svn'"),
        ("backupmanager job add mysql a", "<DATABASE>"),
        ("backupmanager job add mysql a b --all", "cannot be used with"),
        ("backupmanager job add mysql a b --server-socket /s --host h", "cannot be used with"),
        ("backupmanager job add mysql a b --port 0", "0 is not in 1..=65535"),
        ("backupmanager job add mysql a b --compress lzma", "none, gzip, bzip2, zstd"),
        ("backupmanager job add ynh_app a", "<APP>"),
        ("backupmanager job add ynh_app a b --retention weekly:2", "gfs:DAILY,WEEKLY,MONTHLY"),
        ("backupmanager job add ynh_app a b --random-delay 10", "90s, 10m or 1h"),
        ("backupmanager job add ynh_app a b --command-env NOT_SET_9", "expected NAME=VALUE"),
        ("backupmanager job add ynh_app a b --retention count:0", "must be between 1 and 10000"),
        ("backupmanager job add ynh_app a b --keep-tar some", "a number or `auto`"),
        ("backupmanager job choices svn", "[possible values: ynh_app, ynh_system"),
        ("backupmanager job edit a --no-schedule --cron @daily", "cannot be used with"),
        ("backupmanager job edit a --all --add-database b", "cannot be used with"),
        ("backupmanager archive restore a --component file", "files"),
        ("backupmanager archive restore a --rename-database b=", "expected OLD=NEW"),
        ("backupmanager archive restore a --plan --no-wait", "cannot be used with"),
        ("backupmanager archive list --foreign --job a", "cannot be used with"),
        ("backupmanager mesh invite", "--role <ROLE>"),
        ("backupmanager mesh invite --role admin", "[possible values: operator, storage]"),
        ("backupmanager mesh invite --role storage --quota many", "a size such as 200G"),
        ("backupmanager mesh invite --role storage --expires 31d", "at most 30d"),
        ("backupmanager mesh grant tom --allow all", "the rights are see-status, run-job"),
        ("backupmanager archive export a", "--to <PATH>"),
        ("backupmanager archive restore a --overwrite maybe", "changed, always, never"),
        ("backupmanager run show first", "invalid digit"),
        ("backupmanager run list --limit 0", "0 is not in 1..=4096"),
        ("backupmanager serve --listen localhost:1", "--listen"),
        ("backupmanager serve --http 8080", "ADDRESS:PORT or unix:/absolute/path"),
        ("backupmanager key create", "<NAME>"),
        ("backupmanager key create a/b", "'/' cannot be in a name"),
        ("backupmanager stauts", "similar subcommand exists: 'status'"),
        ("backupmanager job edit a --enable --disable", "cannot be used with"),
    ] {
        let text = refused(line);
        assert!(text.contains(wanted), "{line}: {text}");
        assert!(text.contains("--help"), "{line}: {text}");
    }
}
