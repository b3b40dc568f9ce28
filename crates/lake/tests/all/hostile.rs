//! Files that somebody damaged, or made so that they do damage.

use crate::{
    any,
    order::{always, write},
    sources::open,
};
use lake::{Entry, Kind, Lake, Options, export};
use proptest::{prelude::*, sample::Index, strategy::ValueTree, test_runner::TestRunner};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::LazyLock,
};

/// Rows of one kind, as Parquet.
fn good(kind: Kind) -> Vec<u8> {
    let mut runner = TestRunner::deterministic();
    let entries: Vec<Entry> =
        (0..20).flat_map(|_| any::entries(80).new_tree(&mut runner).unwrap().current()).collect();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.parquet");
    assert!(export(&path, kind, entries).unwrap() > 5);
    fs::read(path).unwrap()
}

static GOOD: LazyLock<Vec<(Kind, Vec<u8>)>> =
    LazyLock::new(|| [Kind::Access, Kind::Payment, Kind::DeviceFacts].map(|kind| (kind, good(kind))).into());

#[derive(Clone, Debug)]
enum Harm {
    Octet(Index, u8),
    Cut(Index),
    Twice(Index, Index),
    Zeros(Index, Index),
}

fn harm() -> impl Strategy<Value = Harm> {
    prop_oneof![
        6 => (any::<Index>(), any::<u8>()).prop_map(|(at, octet)| Harm::Octet(at, octet)),
        1 => any::<Index>().prop_map(Harm::Cut),
        1 => any::<(Index, Index)>().prop_map(|(from, to)| Harm::Twice(from, to)),
        1 => any::<(Index, Index)>().prop_map(|(from, to)| Harm::Zeros(from, to)),
    ]
}

fn harmed(good: &[u8], harms: &[Harm], at_the_end: bool) -> Vec<u8> {
    // The end of a Parquet file says where everything is: half of the harm is done there.
    let (kept, part) =
        if at_the_end { good.split_at(good.len() - good.len().min(4096)) } else { (&good[..0], good) };
    let mut part = part.to_vec();
    for harm in harms.iter().filter(|_| good.len() > 100) {
        let span = |from: Index, to: Index, length: usize| {
            let (from, to) = (from.index(length), to.index(length));
            (from.min(to), from.max(to))
        };
        let length = part.len().max(1);
        part.resize(length, 0);
        match *harm {
            Harm::Octet(at, octet) => part[at.index(length)] = octet,
            Harm::Cut(at) => part.truncate(at.index(length)),
            Harm::Twice(from, to) => {
                let (from, to) = span(from, to, length);
                part.extend_from_within(from..to);
            }
            Harm::Zeros(from, to) => {
                let (from, to) = span(from, to, length);
                part[from..to].fill(0);
            }
        }
    }
    [kept, &part].concat()
}

fn read(path: &Path, kind: Kind) {
    let options = Options { kind: Some(kind), ..Options::default() };
    for entry in open(path, &options).take(100_000) {
        if let Err(stop) = entry {
            assert!(stop.to_string().contains("a.parquet"), "{stop}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(std::env::var("CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(300)))]

    #[test]
    fn a_harmed_source_is_an_error_with_its_name_and_no_panic(of in 0..3_usize, harms in proptest::collection::vec(harm(), 1..5), at_the_end in any::<bool>()) {
        let (kind, good) = &GOOD[of];
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.parquet");
        fs::write(&path, harmed(good, &harms, at_the_end)).unwrap();
        read(&path, *kind);
    }

    #[test]
    fn a_harmed_part_is_an_error_with_its_name_and_no_panic(harms in proptest::collection::vec(harm(), 1..5), at_the_end in any::<bool>()) {
        let (kind, good) = &GOOD[0];
        let dir = tempfile::tempdir().unwrap();
        let lake = Lake::open(dir.path()).unwrap();
        let path = dir.path().join(kind.as_str()).join("2026-11-30/000000000001-0000.parquet");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, harmed(good, &harms, at_the_end)).unwrap();
        let (from, to) = always();
        for entry in lake.read(&[*kind], from, to).unwrap() {
            if let Err(error) = entry {
                prop_assert!(error.to_string().contains("000000000001-0000.parquet"), "{}", error);
            }
        }
    }
}

#[test]
fn what_is_not_ours_in_the_lake_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let lake = Lake::open(dir.path()).unwrap();
    let entries: Vec<Entry> = any::entries(200)
        .prop_filter("enough", |entries| entries.len() > 100)
        .new_tree(&mut TestRunner::deterministic())
        .unwrap()
        .current();
    write(&lake, &entries, 1000);
    let (from, to) = always();
    let part = |kind: &str| -> PathBuf {
        let day = fs::read_dir(dir.path().join(kind)).unwrap().next().unwrap().unwrap().path();
        fs::read_dir(day).unwrap().next().unwrap().unwrap().path()
    };
    let said = |kinds: &[Kind]| match lake.read(kinds, from, to) {
        Ok(mut rows) => rows.find_map(Result::err).map(|error| error.to_string()),
        Err(error) => Some(error.to_string()),
    };
    assert_eq!(said(&Kind::ALL), None);
    // A part of another kind, under a name that is right.
    let (access, ims) = (part("access"), part("ims"));
    let good = fs::read(&access).unwrap();
    fs::copy(&ims, &access).unwrap();
    let error = said(&[Kind::Access]).unwrap();
    assert!(
        error.contains(&*access.to_string_lossy())
            && error.contains("has ims, version 1, this Truecell reads access, version 1"),
        "{error}"
    );
    // One of a version to come.
    let mut newer = good.clone();
    let at = newer.windows(10).rposition(|octets| octets == b"truecell.v").unwrap();
    let version = newer[at..].iter().position(|octet| *octet == b'1').unwrap();
    newer[at + version] = b'2';
    fs::write(&access, &newer).unwrap();
    let error = said(&[Kind::Access]).unwrap();
    assert!(error.contains("has access, version 2, this Truecell reads access, version 1"), "{error}");
    // One that is none.
    fs::write(&access, "PAR1").unwrap();
    let error = said(&[Kind::Access]).unwrap();
    assert!(error.contains("is damaged, or no part of the lake"), "{error}");
    fs::write(&access, &good).unwrap();
    assert_eq!(said(&Kind::ALL), None);
    // Names that no part and no day have.
    let strange = access.with_file_name("copy of 000000000001-0000.parquet");
    fs::write(&strange, &good).unwrap();
    assert!(said(&[Kind::Access]).unwrap().contains("is not named as a part of the lake is"));
    assert!(lake.forget_after(0).is_err() && access.exists());
    fs::remove_file(&strange).unwrap();
    fs::create_dir(dir.path().join("access/2026-02-30")).unwrap();
    assert!(said(&[Kind::Access]).unwrap().contains("2026-02-30 is not named"));
}
