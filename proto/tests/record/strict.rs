//! Strict DAG-CBOR: every value has one encoding, and every other one is refused.

use ipld_core::ipld::Ipld;
use kittengrad_proto::limits::RECORD_DEPTH_MAX;
use kittengrad_proto::record::{Record, RecordError, Update, check};

use crate::{check_bytes, map, update, vector, with_value};

#[test]
fn every_value_has_one_encoding() {
    for (value, expected, what) in [
        ("17", true, "23 in one byte"),
        ("1817", false, "23 in two bytes"),
        ("1818", true, "24 in two bytes"),
        ("190018", false, "24 in three bytes"),
        ("1901f4", true, "500 in three bytes"),
        ("1a000001f4", false, "500 in five bytes"),
        ("1b00000000000001f4", false, "500 in nine bytes"),
        ("1bffffffffffffffff", true, "2^64 - 1"),
        ("3bffffffffffffffff", true, "-2^64"),
        ("3817", false, "-24 in two bytes"),
        ("1c", false, "a reserved width"),
        ("f4", true, "false"),
        ("f5", true, "true"),
        ("f6", true, "null"),
        ("f7", false, "undefined"),
        ("e0", false, "another simple value"),
        ("f820", false, "a long simple value"),
        ("fb3ff0000000000000", true, "1.0 in 64 bits"),
        ("fa3f800000", false, "1.0 in 32 bits"),
        ("f93c00", false, "1.0 in 16 bits"),
        ("fb0000000000000000", true, "0.0"),
        ("fb8000000000000000", false, "-0.0"),
        ("fb7ff0000000000000", false, "infinity"),
        ("fbfff0000000000000", false, "negative infinity"),
        ("fb7ff8000000000000", false, "not a number"),
        ("fb3ff00000", false, "a float cut short"),
        ("60", true, "empty text"),
        ("6141", true, "text"),
        ("780141", false, "text with a long length"),
        ("61ff", false, "text that is not UTF-8"),
        ("63eda080", false, "a surrogate in text"),
        ("7f614100ff", false, "text of indefinite length"),
        ("7bffffffffffffffff", false, "text longer than memory"),
        ("4101", true, "bytes"),
        ("5f4101ff", false, "bytes of indefinite length"),
        ("80", true, "an empty list"),
        ("9f01ff", false, "a list of indefinite length"),
        ("9bffffffffffffffff", false, "a list longer than memory"),
        ("a0", true, "an empty map"),
        ("bf616101ff", false, "a map of indefinite length"),
        ("bbffffffffffffffff", false, "a map longer than memory"),
        ("a2616101616201", true, "a map in order"),
        ("a2616201616101", false, "a map out of order"),
        ("a2616101616102", false, "a key twice"),
        (
            "a261620162616101",
            true,
            "a longer key behind a shorter one",
        ),
        (
            "a262616101616201",
            false,
            "a shorter key behind a longer one",
        ),
        ("a10101", false, "a key that is a number"),
        ("a1416101", false, "a key that is bytes"),
        ("c11a514b67b0", false, "a time tag"),
        ("c249010000000000000000", false, "a big number"),
        ("d82a4101", false, "a link that is no CID"),
        ("d82a6101", false, "a link that is text"),
        ("ff", false, "a lone end"),
    ] {
        check_bytes(&with_value(value), expected, what);
    }
}

/// The numbers on either side of each width, and how many bytes the argument of a head takes in its shortest form.
const EDGES: [(u64, usize); 10] = [
    (0, 0),
    (0x17, 0),
    (0x18, 1),
    (0xff, 1),
    (0x100, 2),
    (0xffff, 2),
    (0x1_0000, 4),
    (0xffff_ffff, 4),
    (0x1_0000_0000, 8),
    (u64::MAX, 8),
];

/// A head of this major type whose argument takes so many bytes; `None` if it needs more.
fn head(major: u8, argument: u64, width: usize) -> Option<String> {
    let bytes = argument.to_be_bytes();
    let (above, argument) = bytes.split_at(8 - width);
    let short = match width {
        0 => u8::try_from(u64::from_be_bytes(bytes))
            .ok()
            .filter(|short| *short < 24)?,
        _ if above.iter().any(|byte| *byte != 0) => return None,
        1 => 24,
        2 => 25,
        4 => 26,
        _ => 27,
    };
    Some(hex::encode([&[major << 5 | short], argument].concat()))
}

/// `count` zeros, or as many entries of a map whose values are zeros, in hexadecimal.
fn content(major: u8, count: u64) -> String {
    let one = |n| match major {
        TEXT | BYTES | LIST => "00".to_owned(),
        _ => format!("62{:04x}00", 0x3030 + 0x100 * (n / 64) + n % 64),
    };
    (0..count).map(one).collect()
}

const UNSIGNED: u8 = 0;
const NEGATIVE: u8 = 1;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const LIST: u8 = 4;
const MAP: u8 = 5;

#[test]
fn a_number_is_taken_in_its_shortest_width_alone() {
    for (number, shortest) in EDGES {
        for width in [0, 1, 2, 4, 8] {
            for major in [UNSIGNED, NEGATIVE] {
                if let Some(head) = head(major, number, width) {
                    let what = format!("{number:#x} of major type {major} in {width} bytes");
                    check_bytes(&with_value(&head), width == shortest, &what);
                }
            }
        }
    }
}

#[test]
fn a_length_is_taken_in_its_shortest_width_alone() {
    // Longer ones do not fit into a record.
    for (length, shortest) in EDGES.into_iter().take_while(|(length, _)| *length <= 0x100) {
        for width in [0, 1, 2, 4, 8] {
            for major in [BYTES, TEXT, LIST, MAP] {
                if let Some(head) = head(major, length, width) {
                    let what = format!("length {length} of major type {major} in {width} bytes");
                    let value = head + &content(major, length);
                    check_bytes(&with_value(&value), width == shortest, &what);
                }
            }
        }
    }
}

#[test]
fn a_link_holds_one_whole_cid_of_any_version_and_codec() {
    let digest = "11".repeat(32);
    for (cid, expected, what) in [
        (format!("0001551220{digest}"), true, "CIDv1 raw sha2-256"),
        (format!("001220{digest}"), true, "CIDv0"),
        (
            format!("001220{digest}00"),
            false,
            "CIDv0 with a byte behind",
        ),
        (
            format!("001220{}", "11".repeat(31)),
            false,
            "CIDv0 cut short",
        ),
        (
            format!("0001551220{digest}00"),
            false,
            "CIDv1 with a byte behind",
        ),
        (
            format!("0001551220{}", "11".repeat(31)),
            false,
            "CIDv1 cut short",
        ),
        (format!("01551220{digest}"), false, "without the prefix"),
        (format!("0101551220{digest}"), false, "another prefix"),
        (
            format!("0000701220{digest}"),
            false,
            "an explicit version 0",
        ),
        (format!("0002551220{digest}"), false, "version 2"),
        ("0001550000".to_owned(), true, "an empty identity digest"),
        (
            format!("00015500{:02x}{}", 64, "11".repeat(64)),
            true,
            "64 bytes of digest",
        ),
        (
            format!("00015500{:02x}{}", 65, "11".repeat(65)),
            false,
            "65 bytes of digest",
        ),
        (format!("0001d5001220{digest}"), false, "a padded varint"),
        (
            format!("0001ffffffffffffffffff011220{digest}"),
            true,
            "the greatest codec",
        ),
        (
            format!("0001ffffffffffffffffff031220{digest}"),
            false,
            "a codec beyond 64 bits",
        ),
        (
            format!("0001ffffffffffffffffff81001220{digest}"),
            false,
            "a codec of eleven bytes",
        ),
        ("00".to_owned(), false, "the prefix alone"),
        (String::new(), false, "nothing"),
    ] {
        let bytes = cid.len() / 2;
        let head = if bytes < 24 {
            format!("{:02x}", 0x40 + bytes)
        } else {
            format!("58{bytes:02x}")
        };
        check_bytes(&with_value(&format!("d82a{head}{cid}")), expected, what);
    }
    for (tag, what) in [
        ("d9002a", "tag 42 in three bytes"),
        ("da0000002a", "tag 42 in five bytes"),
        ("db000000000000002a", "tag 42 in nine bytes"),
    ] {
        let long_tag = with_value(&format!("{tag}58250001711220{digest}"));
        check_bytes(&long_tag, false, what);
    }
}

#[test]
fn meta_nests_as_deep_as_the_limit_and_no_deeper() {
    let nested = |lists: usize| with_value(&format!("{}00", "81".repeat(lists)));
    check_bytes(&nested(RECORD_DEPTH_MAX - 1), true, "meta and 63 lists");
    check_bytes(&nested(RECORD_DEPTH_MAX), false, "meta and 64 lists");
    check_bytes(&nested(30_000), false, "meta and 30,000 lists");
    let nested = |maps: usize| with_value(&format!("{}00", "a16161".repeat(maps)));
    check_bytes(&nested(RECORD_DEPTH_MAX - 1), true, "meta and 63 maps");
    check_bytes(&nested(RECORD_DEPTH_MAX), false, "meta and 64 maps");
}

#[test]
fn no_bytes_may_follow_a_record_or_be_missing_from_it() {
    for name in ["entity", "update-full", "retraction"] {
        let (_, mut bytes) = vector(name);
        for end in 0..bytes.len() {
            check_bytes(&bytes[..end], false, name);
        }
        bytes.push(0);
        check_bytes(&bytes, false, name);
    }
}

#[test]
fn a_reason_names_the_byte_at_which_it_stands() {
    // The value begins at byte 9.
    for (value, at) in [
        ("1817", 9),
        ("f7", 9),
        ("61ff", 11),
        ("8200f7", 11),
        ("d82a4101", 13),
        ("4001", 10),
    ] {
        match check(&with_value(value)) {
            Err(RecordError::Malformed { at: found, .. }) => assert_eq!(found, at, "{value}"),
            other => panic!("{value}: {other:?}"),
        }
    }
    let (_, bytes) = vector("entity");
    let longer = [&bytes[..], &[0]].concat();
    match check(&longer) {
        Err(RecordError::Malformed { at, .. }) => assert_eq!(at, bytes.len()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn dag_cbor_has_one_zero() {
    let of = |zero: f64| {
        Record::Update(Update {
            meta: map([("a", Ipld::Float(zero))]),
            ..update()
        })
        .encode()
        .unwrap()
    };
    assert_eq!(of(-0.0), of(0.0));
}
