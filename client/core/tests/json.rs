//! Strict JSON: accepted values are kept exactly, other texts are refused with the place of the error.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;

use ipld_core::ipld::Ipld;
use kittengrad_client_core::json::{JsonMap, JsonValue, Reason, parse};
use proptest::{
    collection::vec, prelude::*, sample::Index, strategy::ValueTree, test_runner::TestRunner,
};

/// `text` means `expected`.
fn check(text: &str, expected: Ipld) {
    let found = parse(text.as_bytes());
    assert_eq!(found, Ok(expected), "{text}");
}

/// `text` is refused at byte `at` because of `reason`.
fn check_refused(text: impl AsRef<[u8]>, at: usize, reason: Reason) {
    let text = text.as_ref();
    let error = parse(text).unwrap_err();
    assert_eq!(
        (error.at, error.reason),
        (at, reason),
        "{}",
        String::from_utf8_lossy(text)
    );
}

fn string(text: &str) -> Ipld {
    Ipld::String(text.to_owned())
}

#[test]
fn integers_stay_integers_of_64_bits() {
    for (text, value) in [
        ("0", 0),
        ("-0", 0),
        ("7", 7),
        ("-7", -7),
        ("9007199254740993", 9_007_199_254_740_993),
        ("18446744073709551615", i128::from(u64::MAX)),
        ("-9223372036854775808", i128::from(i64::MIN)),
    ] {
        check(text, Ipld::Integer(value));
    }
    for text in [
        "18446744073709551616",
        "-9223372036854775809",
        "100000000000000000000000000000",
    ] {
        check_refused(text, 0, Reason::IntegerRange);
        check_refused(format!("[{text}]"), 1, Reason::IntegerRange);
    }
}

#[test]
fn numbers_with_a_point_or_exponent_become_floats() {
    for (text, value) in [
        ("0.0", 0.0),
        ("1.0", 1.0),
        ("-1.50", -1.5),
        ("1e2", 100.0),
        ("1E+2", 100.0),
        ("25e-1", 2.5),
        ("0e0", 0.0),
        ("0.1", 0.1),
        ("5e-324", 5e-324),
        ("1e-400", 0.0),
        ("1.7976931348623157e308", f64::MAX),
        ("36893488147419103232.0", 36_893_488_147_419_103_232.0),
        (
            "0.30000000000000004440892098500626",
            0.300_000_000_000_000_04,
        ),
    ] {
        check(text, Ipld::Float(value));
    }
    for text in ["1e309", "-1e309", "1e99999999999999999999"] {
        check_refused(text, 0, Reason::FloatRange);
    }
}

#[test]
fn there_is_one_zero_among_floats() {
    for text in ["0.0", "-0.0", "-0e5", "-1e-400"] {
        let Ok(Ipld::Float(zero)) = parse(text.as_bytes()) else {
            panic!("{text}")
        };
        assert_eq!(zero.to_bits(), 0, "{text}");
    }
}

#[test]
fn numbers_that_json_does_not_have_are_refused() {
    for (text, at) in [
        ("-", 1),
        ("01", 1),
        ("-01", 2),
        ("00", 1),
        ("1.", 2),
        ("1.e5", 2),
        ("1e", 2),
        ("1e+", 3),
        ("-a", 1),
        ("1e+-5", 3),
    ] {
        check_refused(text, at, Reason::Number);
    }
    for text in ["+1", ".5", "NaN", "Infinity"] {
        check_refused(text, 0, Reason::Expected("a value"));
    }
    for (text, at) in [("0x10", 1), ("1_000", 1), ("1.0f", 3), ("--1", 1)] {
        let error = parse(text.as_bytes()).unwrap_err();
        assert_eq!(error.at, at, "{text}");
    }
}

#[test]
fn strings_keep_every_character() {
    check(r#""""#, string(""));
    check(r#""a b""#, string("a b"));
    check(r#""\"\\\/\b\f\n\r\t""#, string("\"\\/\u{8}\u{c}\n\r\t"));
    check(r#""\u0041\u00e9\u2028""#, string("Aé\u{2028}"));
    check(r#""x\ud83d\uDE3Ay""#, string("x😺y"));
    check(r#""\u0000""#, string("\0"));
    check(
        "\"\u{2028}\u{85}\u{7f}\u{feff}😺e\u{301}\"",
        string("\u{2028}\u{85}\u{7f}\u{feff}😺e\u{301}"),
    );
}

#[test]
fn lone_surrogates_are_refused() {
    for text in [
        r"\ud800",
        r"\udc00",
        r"\ud800\ud800",
        r"\ud800\ue000",
        r"\ud800x",
        r"\ud800\n",
        r"\udbff\u0041",
        r"\uDFFF\uD800",
    ] {
        check_refused(format!("\"a{text}\""), 2, Reason::LoneSurrogate);
    }
}

#[test]
fn malformed_strings_are_refused() {
    check_refused(r#""\x""#, 1, Reason::Escape);
    check_refused(r#""\u00g0""#, 1, Reason::Escape);
    check_refused(r#""\u+041""#, 1, Reason::Escape);
    check_refused(r#""\u00"#, 1, Reason::Escape);
    check_refused("\"a\tb\"", 2, Reason::Control);
    check_refused("\"a\nb\"", 2, Reason::Control);
    check_refused("\"\0\"", 1, Reason::Control);
    check_refused("\"abc", 4, Reason::Expected("a closing quote"));
    check_refused("'a'", 0, Reason::Expected("a value"));
}

#[test]
fn bytes_that_are_no_text_are_refused() {
    check_refused(b"\"a\xff\"", 2, Reason::Utf8);
    check_refused(b"\"\xed\xa0\x80\"", 1, Reason::Utf8);
    check_refused(b"\"\xc0\x80\"", 1, Reason::Utf8);
    check_refused("\u{feff}{}", 0, Reason::Expected("a value"));
}

#[test]
fn a_key_may_stand_once_in_an_object() {
    check_refused(r#"{"a":1,"a":1}"#, 7, Reason::DuplicateKey("a".to_owned()));
    check_refused(
        r#"{"a":1,"\u0061":2}"#,
        7,
        Reason::DuplicateKey("a".to_owned()),
    );
    check_refused(
        r#"{"x":{"":1,"":2}}"#,
        11,
        Reason::DuplicateKey(String::new()),
    );
    let distinct = "{\"a\":{\"a\":1},\"b\":{\"a\":1},\"A\":1,\"\u{e9}\":1,\"e\u{301}\":1}";
    assert!(parse(distinct.as_bytes()).is_ok());
}

#[test]
fn objects_and_arrays_nest_64_deep() {
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    assert!(parse(nested(64).as_bytes()).is_ok());
    check_refused(nested(65), 64, Reason::Depth);
    check_refused("[".repeat(1_000_000), 64, Reason::Depth);
    let nested = |levels: usize| format!("{}1{}", r#"{"a":"#.repeat(levels), "}".repeat(levels));
    assert!(parse(nested(64).as_bytes()).is_ok());
    check_refused(nested(65), 64 * 5, Reason::Depth);
    assert!(parse(format!("[{}]", vec!["[[]]"; 1_000].join(",")).as_bytes()).is_ok());
}

#[test]
fn objects_and_arrays_are_closed_and_separated() {
    for (text, at, what) in [
        ("", 0, "a value"),
        ("  ", 2, "a value"),
        ("[", 1, "a value"),
        ("[1", 2, "a comma or a closing bracket"),
        ("[1 2]", 3, "a comma or a closing bracket"),
        ("[1,]", 3, "a value"),
        ("[,1]", 1, "a value"),
        ("{", 1, "a key"),
        ("{\"a\"}", 4, "a colon"),
        ("{\"a\" 1}", 5, "a colon"),
        ("{\"a\"=1}", 4, "a colon"),
        ("{\"a\":}", 5, "a value"),
        ("{\"a\":1", 6, "a comma or a closing brace"),
        ("{\"a\":1,}", 7, "a key"),
        ("{a:1}", 1, "a key"),
        ("{1:1}", 1, "a key"),
        ("tru", 0, "a value"),
        ("nul", 0, "a value"),
        ("True", 0, "a value"),
    ] {
        check_refused(text, at, Reason::Expected(what));
    }
}

#[test]
fn nothing_may_follow_the_value() {
    for (text, at) in [
        ("1 2", 2),
        ("{} {}", 3),
        ("truex", 4),
        ("[]]", 2),
        ("1,", 1),
        ("{}\u{a0}", 2),
    ] {
        check_refused(text, at, Reason::Trailing);
    }
}

#[test]
fn white_space_is_what_json_says() {
    check(
        " \t\r\n[ 1 ,\t2 ]\r\n",
        Ipld::List(vec![Ipld::Integer(1), Ipld::Integer(2)]),
    );
    check("{ }\r", Ipld::Map(BTreeMap::new()));
    check("[ ]", Ipld::List(Vec::new()));
    check_refused("\u{a0}1", 0, Reason::Expected("a value"));
    check_refused(
        "[1\u{b}]",
        2,
        Reason::Expected("a comma or a closing bracket"),
    );
}

#[test]
fn reasons_are_said_in_words() {
    let said = |text: &str| parse(text.as_bytes()).unwrap_err().to_string();
    assert_eq!(said(r#"{"a":1,"a":2}"#), r#"duplicate key "a" at byte 7"#);
    assert_eq!(said(r#"["\ud800"]"#), "lone surrogate at byte 2");
    assert_eq!(
        said("[1"),
        "a comma or a closing bracket is missing at byte 2"
    );
    assert_eq!(
        said("99999999999999999999"),
        "integer beyond 64 bits at byte 0"
    );
}

#[test]
fn values_that_json_does_not_have_are_shown_as_dag_json() {
    let cid = "bafyreigvrhnakbxyxv6ayxqlvlzs74oqubbprphduh5c7qzraqkq3lgame";
    let values = BTreeMap::from([
        ("bytes".to_owned(), Ipld::Bytes(vec![0, 255])),
        ("cid".to_owned(), Ipld::Link(cid.parse().unwrap())),
        ("float".to_owned(), Ipld::Float(1.0)),
        ("integer".to_owned(), Ipld::Integer(1)),
        ("least".to_owned(), Ipld::Integer(-(1 << 64))),
    ]);
    let expected = format!(
        r#"{{"bytes":{{"/":{{"bytes":"AP8"}}}},"cid":{{"/":"{cid}"}},"float":1.0,"integer":1,"least":-1.8446744073709552e+19}}"#
    );
    assert_eq!(JsonMap(&values).to_string(), expected);
    assert_eq!(JsonValue(&Ipld::Map(values.clone())).to_string(), expected);
    let value = serde_json::to_value(JsonMap(&values)).unwrap();
    assert_eq!(value["bytes"]["/"]["bytes"], "AP8");
}

fn values() -> impl Strategy<Value = Ipld> {
    let leaf = prop_oneof![
        Just(Ipld::Null),
        any::<bool>().prop_map(Ipld::Bool),
        any::<i64>().prop_map(|n| Ipld::Integer(n.into())),
        any::<u64>().prop_map(|n| Ipld::Integer(n.into())),
        (-1000..1000_i32).prop_map(|n| Ipld::Float(n.into())),
        any::<f64>()
            .prop_filter("finite", |f| f.is_finite())
            .prop_map(|f| Ipld::Float(f + 0.0)),
        any::<String>().prop_map(Ipld::String),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Ipld::List),
            prop::collection::btree_map(any::<String>(), inner, 0..6).prop_map(Ipld::Map),
        ]
    })
}

/// A string of JSON in all the ways to write one.
const STRING: &str =
    r#""([a-c ]|é|😺|\\["\\/bfnrt]|\\u00[0-9a-fA-F]{2}|\\u2028|\\ud83d\\uDE3A){0,5}""#;

/// A text with white space around it, but not often.
fn spaced(text: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    let space = || prop_oneof![4 => Just(String::new()), 1 => "[ \t\r\n]{1,2}"];
    (space(), text, space()).prop_map(|(before, text, after)| format!("{before}{text}{after}"))
}

/// A list or an object of some values.
fn nested(value: BoxedStrategy<String>) -> impl Strategy<Value = String> {
    let value = || spaced(value.clone());
    let entry = (spaced(STRING), value()).prop_map(|(key, value)| format!("{key}:{value}"));
    prop_oneof![
        vec(value(), 0..5).prop_map(|values| format!("[{}]", values.join(","))),
        vec(entry, 0..5).prop_map(|entries| format!("{{{}}}", entries.join(","))),
    ]
}

/// JSON in all its spellings. The parser refuses only those with integers beyond 64 bits or with a key twice in an
/// object.
fn texts() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        6 => "null|true|false",
        12 => r"-?(0|[1-9][0-9]{0,5})(\.[0-9]{1,6})?([eE][+-]?[0-9]{1,2})?",
        1 => "-?[1-9][0-9]{17,19}",
        12 => STRING,
    ];
    let value = leaf.prop_recursive(3, 12, 4, |inner| nested(inner.boxed()));
    spaced(prop_oneof![1 => value.clone(), 4 => nested(value.boxed())])
}

/// JSON of which at most two places were changed. About half of it is JSON still.
fn edited_texts() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        1 => Just(String::new()),
        4 => r#"[,:\[\]{}"]"#,
        2 => r#"[\\0-9eE.+ \ntu-]{1,2}"#,
    ];
    let edit = (any::<Index>(), 0..2_usize, piece);
    let edits = prop_oneof![3 => Just(Vec::new()), 2 => vec(edit.clone(), 1), 1 => vec(edit, 2)];
    (texts(), edits).prop_map(|(text, edits)| {
        edits.into_iter().fold(text, |text, (at, cut, piece)| {
            let mut chars: Vec<char> = text.chars().collect();
            let at = at.index(chars.len() + 1);
            let end = (at + cut).min(chars.len());
            chars.splice(at..end, piece.chars());
            chars.into_iter().collect()
        })
    })
}

#[test]
fn the_texts_of_these_laws_are_often_lists_and_objects() {
    let mut runner = TestRunner::deterministic();
    let mut read = || {
        let text = edited_texts().new_tree(&mut runner).unwrap().current();
        parse(text.as_bytes()).ok()
    };
    let read: Vec<_> = (0..1_000).map(|_| read()).collect();
    let count = |is: fn(&Ipld) -> bool| read.iter().flatten().filter(|value| is(value)).count();
    let lists = count(|value| matches!(value, Ipld::List(items) if !items.is_empty()));
    let objects = count(|value| matches!(value, Ipld::Map(entries) if !entries.is_empty()));
    let refused = read.iter().filter(|value| value.is_none()).count();
    assert!(
        lists > 100 && objects > 100 && refused > 100,
        "{lists} lists, {objects} objects, {refused} refused"
    );
}

/// Whether a lenient parser read the same; its floats may be off by a little, and of equal keys it keeps one.
fn is_same(strict: &Ipld, lenient: &serde_json::Value) -> bool {
    match (strict, lenient) {
        (Ipld::Null, serde_json::Value::Null) => true,
        (Ipld::Bool(a), serde_json::Value::Bool(b)) => a == b,
        // A number without point and exponent is an integer here, -0 too; the lenient parser makes -0 a float.
        (Ipld::Integer(0), serde_json::Value::Number(b)) => b.as_f64() == Some(0.0),
        (Ipld::Integer(a), serde_json::Value::Number(b)) => b.as_i128() == Some(*a),
        (Ipld::Float(a), serde_json::Value::Number(b)) => {
            // Close to zero, floats have fewer digits, and all of them may differ.
            let off = (a.abs() * 1e-15).max(f64::MIN_POSITIVE * 1e-14);
            b.as_f64().is_some_and(|b| (a - b).abs() <= off)
        }
        (Ipld::String(a), serde_json::Value::String(b)) => a == b,
        (Ipld::List(a), serde_json::Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(a, b))
        }
        (Ipld::Map(a), serde_json::Value::Object(b)) => {
            a.len() == b.len()
                && a.iter()
                    .all(|(key, a)| b.get(key).is_some_and(|b| is_same(a, b)))
        }
        _ => false,
    }
}

#[test]
fn minus_zero_without_a_point_is_the_integer_0() {
    assert_eq!(parse(b"-0").unwrap(), Ipld::Integer(0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_is_shown_is_read_back(value in values()) {
        prop_assert_eq!(parse(JsonValue(&value).to_string().as_bytes()), Ok(value));
    }

    #[test]
    fn all_json_is_read_but_for_known_reasons(text in texts()) {
        if let Err(error) = parse(text.as_bytes()) {
            let is_stricter = matches!(error.reason, Reason::DuplicateKey(_) | Reason::IntegerRange);
            prop_assert!(is_stricter, "{error}");
        }
    }

    #[test]
    fn whatever_is_read_another_parser_reads_alike(
        text in prop_oneof![
            4 => edited_texts(),
            1 => r#"[ \[\]\{\}:,"\\ua-f0-9eE.+-]{0,24}"#,
        ],
    ) {
        if let Ok(value) = parse(text.as_bytes()) {
            let lenient = serde_json::from_str(&text);
            prop_assert!(lenient.is_ok_and(|lenient| is_same(&value, &lenient)), "{value:?}");
        }
    }

    #[test]
    fn the_parser_refuses_only_what_others_do_or_it_must(
        text in prop_oneof![
            1 => edited_texts(),
            1 => r#"(\[|\{"a":|\{"b":\[)?["0-9a\\untrfls.eE+-]{0,12}("|,|\]|\}){0,3}"#,
        ],
    ) {
        if let Err(error) = parse(text.as_bytes()) {
            let is_stricter = matches!(error.reason, Reason::DuplicateKey(_) | Reason::IntegerRange);
            let lenient: Result<serde_json::Value, _> = serde_json::from_str(&text);
            prop_assert!(is_stricter || lenient.is_err(), "{error}");
        }
    }

    #[test]
    fn arbitrary_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..100)) {
        if let Err(error) = parse(&bytes) {
            prop_assert!(error.at <= bytes.len());
        }
    }
}
