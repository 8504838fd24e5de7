use std::{
    io::{self, Read},
    sync::Mutex,
};

use protocol::job::DumpFormat;

use super::{Guard, Stage, load};
use crate::tasks::{
    TaskError,
    database::{
        head::{Head, Mysql},
        query::Talk,
    },
    process::Program,
};

const LAST: &str = "-- Dump completed";

fn with_talk<T>(act: impl FnOnce(&Talk<'_>) -> T) -> T {
    let mut line = |_| {};
    act(&Talk { line: Mutex::new(&mut line), cancelled: &|| false })
}

fn stage(script: &str) -> Stage {
    let program = Program::new("sh").args(["-c", script]);
    Stage { name: "sh", program, last_words: LAST, guard: Guard::None }
}

fn head() -> Head {
    Head::Mysql(Mysql { database: "db".to_owned(), ..Mysql::default() })
}

fn dump(script: &str, format: DumpFormat) -> Result<(u64, Vec<u8>), TaskError> {
    let mut out = Vec::new();
    let bytes = with_talk(|talk| stage(script).dump(talk, &head(), format, &mut out))?;
    Ok((bytes, out))
}

const FORMATS: [DumpFormat; 4] =
    [DumpFormat::None, DumpFormat::Gzip, DumpFormat::Bzip2, DumpFormat::Zstd];
const WHOLE: &str = "seq 200000; echo '-- Dump completed'";

#[test]
fn a_dump_reads_back_in_every_format() {
    let dir = tempfile::tempdir().expect("a folder");
    for format in FORMATS {
        let (bytes, packed) = dump(WHOLE, format).expect("dumped");
        let path = dir.path().join(format!("dump{}", format.ending()));
        let script = format!("cat > {}", path.display());
        let got = with_talk(|talk| {
            load(talk, format, &mut packed.as_slice(), |head| Ok((head, stage(&script))))
        });
        assert_eq!(got.expect("loaded"), Some(head()));
        let sql = std::fs::read_to_string(&path).expect("read");
        assert_eq!(sql.len() as u64 + head().line().expect("a line").len() as u64, bytes);
        assert!(sql.starts_with("1\n2\n") && sql.ends_with("200000\n-- Dump completed\n"));
    }
}

#[test]
fn the_same_dump_gives_the_same_bytes() {
    for format in FORMATS {
        let [first, second] = [(); 2].map(|()| dump(WHOLE, format).expect("dumped").1);
        assert_eq!(first, second, "{format:?}");
    }
}

#[test]
fn a_dump_program_that_dies_is_an_error_in_every_format() {
    for (script, why) in [
        ("seq 1000; kill -9 $$", "signal 9"),
        ("seq 1000; echo 'cannot read t' >&2; exit 2", "cannot read t"),
        ("seq 1000; echo '-- Dump completed'; exit 3", "exit code 3"),
        ("seq 1000", "breaks off"),
        ("echo '-- Dump completed'; seq 1000", "breaks off"),
    ] {
        for format in FORMATS {
            let error = dump(script, format).expect_err(script);
            assert!(format!("{error} {error:?}").contains(why), "{format:?}: {error:?}");
        }
    }
}

#[test]
fn a_packer_that_dies_is_the_error_and_not_the_lost_pipe() {
    let make = |pipe: io::PipeWriter| {
        let mut pipe = pipe;
        with_talk(|talk| stage("yes").make(talk, &head(), &mut pipe))
    };
    let pack = |pipe: io::PipeReader| {
        let mut pipe = pipe;
        let program = Program::new("sh").args(["-c", "head -c 100000 >&2 | :; exit 7"]);
        with_talk(|talk| talk.run(program, Some(&mut pipe), None)?.success("packer"))
    };
    let error = super::joined(make, pack).expect_err("it died");
    assert!(error.to_string().contains("exit code 7"), "{error:?}");
}

#[test]
fn output_that_is_not_taken_is_an_error() {
    struct Full(usize);
    impl io::Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    for format in FORMATS {
        let noise = "head -c 2000000 /dev/urandom; echo; echo '-- Dump completed'";
        let got = with_talk(|talk| stage(noise).dump(talk, &head(), format, &mut Full(500_000)));
        assert!(matches!(got, Err(TaskError::Data(_))), "{format:?}: {got:?}");
    }
}

#[test]
fn a_dump_that_breaks_off_is_not_loaded_in_any_format() {
    for format in FORMATS {
        let (_, packed) = dump(WHOLE, format).expect("dumped");
        for cut in [packed.len() / 2, packed.len() - 9] {
            let got = with_talk(|talk| {
                let stage = |head| Ok((head, stage("cat > /dev/null")));
                load(talk, format, &mut &packed[..cut], stage)
            });
            assert!(got.is_err(), "{format:?} cut at {cut}");
        }
    }
}

#[test]
fn input_that_cannot_be_read_on_never_ends_well() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("a chunk is missing"))
        }
    }
    let (_, packed) = dump(WHOLE, DumpFormat::None).expect("dumped");
    let mut input = packed[..100_000].chain(Broken);
    let dir = tempfile::tempdir().expect("a folder");
    let ended = dir.path().join("ended");
    let script = format!("cat > /dev/null; touch {}", ended.display());
    let got = with_talk(|talk| {
        load(talk, DumpFormat::None, &mut input, |head| Ok((head, stage(&script))))
    });
    assert!(matches!(got, Err(TaskError::Data(_))), "{got:?}");
    assert!(!ended.exists(), "the program must not see an end of its input");
}

#[test]
fn a_program_that_stops_reading_has_not_loaded_the_dump() {
    let (_, packed) = dump(WHOLE, DumpFormat::None).expect("dumped");
    let got = with_talk(|talk| {
        let stage = |head| Ok((head, stage("head -c 1000 > /dev/null")));
        load(talk, DumpFormat::None, &mut packed.as_slice(), stage)
    });
    assert!(got.is_err(), "{got:?}");
}
