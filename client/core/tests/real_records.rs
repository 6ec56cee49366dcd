//! The example maps: each parses, and each takes its real file whole, if the files are at hand.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Read,
    path::{Path, PathBuf},
};

use flate2::read::MultiGzDecoder;
use kittengrad_client_core::{
    ingest::{Decision, Line, Lines, decide},
    map::{Map, Mapped, Refusal},
};
use kittengrad_proto::{
    id::{PublicKey, RecordId},
    record::{Record, RecordError, check},
};
use kittengrad_support::samples::real_records;

/// Name of the map, its file, and what becomes of its lines. One contributor of Tate has no artist file.
const FILES: [(&str, &str, Counts); 8] = [
    (
        "tate-artworks",
        "tate-artworks",
        Counts::new(12_000, 12_000, 0),
    ),
    ("tate-artists", "tate-artists", Counts::new(1_396, 1_396, 0)),
    (
        "cmoa-artworks",
        "cmoa-artworks",
        Counts::new(8_000, 8_000, 0),
    ),
    ("cmoa-artists", "cmoa-artists", Counts::new(2_991, 2_750, 0)),
    (
        "artist-crosswalk",
        "artist-crosswalk",
        Counts::new(555, 1, 0),
    ),
    (
        "nypl-collections",
        "nypl-collections",
        Counts::new(932, 932, 0),
    ),
    (
        "sfomuseum-publicart",
        "extra/sfomuseum-publicart",
        Counts::new(878, 878, 0),
    ),
    (
        "sfomuseum-places",
        "extra/sfomuseum-places",
        Counts::new(202, 200, 2),
    ),
];

/// Lines read, canonicals not seen in an earlier file, lines refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Counts {
    read: usize,
    canonicals: usize,
    refused: usize,
}

impl Counts {
    const fn new(read: usize, canonicals: usize, refused: usize) -> Self {
        Self {
            read,
            canonicals,
            refused,
        }
    }
}

type Sets = BTreeMap<RecordId, Vec<(RecordId, Record)>>;

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/maps")
}

fn example(name: &str) -> Map {
    let text = fs::read_to_string(examples().join(format!("{name}.toml"))).unwrap();
    Map::parse(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn lines(file: &Path, mut each: impl FnMut(Line<'_>)) {
    let mut reader = MultiGzDecoder::new(fs::File::open(file).unwrap());
    let mut lines = Lines::default();
    let mut piece = [0; 10_007];
    loop {
        match reader.read(&mut piece).unwrap() {
            0 => return lines.finish(each),
            bytes => lines.push(&piece[..bytes], &mut each),
        }
    }
}

/// Loads one line as an ingest would, and says whether it changed anything.
fn load(sets: &mut Sets, map: &Map, line: Mapped) -> bool {
    let publisher = PublicKey::new(*RecordId::of(map.publisher().as_bytes()).as_bytes());
    let canonical = line.canonical_id;
    let set = sets.get(&canonical).map(Vec::as_slice);
    let previous = match decide(map.mode(), &publisher, &line, set) {
        Decision::Insert => Vec::new(),
        Decision::Update { previous } => previous,
        Decision::Unchanged => return false,
    };
    let update = line.update(publisher, 1_413_849_600_000, previous);
    let bytes = update.encode().unwrap();
    assert!(check(&bytes).is_ok());
    assert_eq!(Record::decode(&bytes), Ok(Record::Update(update.clone())));
    sets.entry(canonical)
        .or_default()
        .push((RecordId::of(&bytes), Record::Update(update)));
    true
}

#[test]
fn every_example_is_a_map_and_is_listed_here() {
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(examples()).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            names.insert(path.file_stem().unwrap().to_str().unwrap().to_owned());
        }
    }
    for name in &names {
        example(name);
    }
    let listed = FILES.map(|(name, ..)| name.to_owned());
    assert!(listed.iter().all(|name| names.contains(name)));
}

#[test]
fn real_records_change_nothing_the_second_time() {
    let Some(data) = real_records("whether real records are accounted for") else {
        return;
    };
    let mut sets = Sets::new();
    for (name, file, expected) in FILES {
        let (map, before) = (example(name), sets.len());
        let file = data.join(format!("{file}.ndjson.gz"));
        let (mut read, mut refused, mut changed) = (0, 0, 0);
        lines(&file, |line| {
            read += 1;
            match line.read(&map) {
                Ok(mapped) => changed += usize::from(load(&mut sets, &map, mapped)),
                Err(Refusal::Record(RecordError::TooLarge { .. })) => refused += 1,
                Err(refusal) => panic!("{name} {}: {refusal}", line.number),
            }
        });
        let counts = Counts {
            read,
            canonicals: sets.len() - before,
            refused,
        };
        assert_eq!(counts, expected, "{name}");
        assert_eq!(
            changed,
            read - refused,
            "{name}: every line says something new"
        );
        lines(&file, |line| {
            if let Ok(mapped) = line.read(&map) {
                assert!(!load(&mut sets, &map, mapped), "{name} {}", line.number);
            }
        });
    }
}

#[test]
fn tate_and_cmoa_are_24_387_lines_about_24_146_canonicals() {
    let museums = &FILES[..4];
    assert_eq!(
        museums
            .iter()
            .map(|(.., counts)| counts.read)
            .sum::<usize>(),
        24_387
    );
    assert_eq!(
        museums
            .iter()
            .map(|(.., counts)| counts.canonicals)
            .sum::<usize>(),
        24_146
    );
}
