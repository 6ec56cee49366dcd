//! Maps: the meaning of a line, and the refused lines.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use ipld_core::ipld::Ipld;
use kittengrad_client_core::map::{Map, Mode, Refusal};
use kittengrad_proto::{
    id::{PublicKey, RecordId},
    limits::{RECORD_BYTES_MAX, RECORD_LINKS_MAX, RECORD_NAME_BYTES_MAX},
    record::{Canonical, CanonicalType, Record, RecordError, Update, check},
};

const ARTWORKS: &str = r#"
publisher = "tate"
type = "artefact"
id = "tate:artwork:{/id}"
name = "/title"
mode = "replace"

[[link]]
rel = "createdBy"
each = "/contributors"
to = { type = "entity", id = "tate:artist:{/id}" }
"#;

fn artworks() -> Map {
    Map::parse(ARTWORKS).unwrap()
}

/// A map with the required keys, followed by `more`.
fn map(more: &str) -> Result<Map, String> {
    let least = "publisher = \"p\"\ntype = \"entity\"\nid = \"p:{/id}\"\n";
    Map::parse(&format!("{least}{more}")).map_err(|error| error.to_string())
}

fn entity(id: &str) -> RecordId {
    let canonical = Canonical::identified(CanonicalType::Entity, id.to_owned());
    RecordId::of(&canonical.encode().unwrap())
}

#[test]
fn a_line_becomes_a_canonical_an_update_and_links() {
    let line =
        r#"{"id":27,"title":"Pencil Mask","width":0.0,"contributors":[{"id":2269},{"id":"x"}]}"#;
    let mapped = artworks().apply(line.as_bytes()).unwrap();

    let canonical = Canonical::identified(CanonicalType::Artefact, "tate:artwork:27".to_owned());
    assert_eq!(mapped.canonical, canonical);
    assert_eq!(mapped.canonical_bytes, canonical.encode().unwrap());
    assert_eq!(mapped.canonical_id, RecordId::of(&mapped.canonical_bytes));

    assert_eq!(mapped.name.as_deref(), Some("Pencil Mask"));
    assert_eq!(mapped.meta["id"], Ipld::Integer(27));
    assert_eq!(mapped.meta["width"], Ipld::Float(0.0));
    assert_eq!(mapped.meta.len(), 4);

    let mut targets = [entity("tate:artist:2269"), entity("tate:artist:x")];
    targets.sort();
    let found: Vec<_> = mapped
        .links
        .iter()
        .map(|link| (link.rel.as_str(), link.to))
        .collect();
    assert_eq!(
        found,
        targets
            .iter()
            .map(|to| ("createdBy", *to))
            .collect::<Vec<_>>()
    );

    let previous = vec![RecordId::new([8; 32])];
    let update = mapped
        .clone()
        .update(PublicKey::new([7; 32]), 5, previous.clone());
    let expected = Update {
        reference: mapped.canonical_id,
        publisher: PublicKey::new([7; 32]),
        timestamp_ms: 5,
        name: mapped.name.clone(),
        meta: mapped.meta.clone(),
        previous,
        links: mapped.links.clone(),
        salt: None,
    };
    assert_eq!(update, expected);
    assert!(mapped.is_said_by(&update));
    for change in [
        (|update| update.name = None) as fn(&mut Update),
        |update| update.links.clear(),
        |update| update.meta.clear(),
    ] {
        let mut changed = update.clone();
        change(&mut changed);
        assert!(!mapped.is_said_by(&changed), "{changed:?}");
    }
    assert!(check(&update.encode().unwrap()).is_ok());
}

#[test]
fn a_line_that_does_not_say_what_it_is_about_is_refused() {
    for (line, reason) in [
        ("{}", "no id: {/id} is missing"),
        (r#"{"id":null}"#, "no id: {/id} is null"),
        (r#"{"id":""}"#, "no id: {/id} is empty"),
        (
            r#"{"id":1.5}"#,
            "no id: {/id} is a number with a point or exponent, not text or an integer",
        ),
        (
            r#"{"id":[1]}"#,
            "no id: {/id} is an array, not text or an integer",
        ),
        ("[1]", "the line is not a JSON object"),
        ("null", "the line is not a JSON object"),
        (r#""id""#, "the line is not a JSON object"),
        ("{", "not strict JSON: a key is missing at byte 1"),
        (
            r#"{"id":1,"id":1}"#,
            "not strict JSON: duplicate key \"id\" at byte 8",
        ),
    ] {
        assert_eq!(
            artworks().apply(line.as_bytes()).unwrap_err().to_string(),
            reason,
            "{line}"
        );
    }
}

#[test]
fn what_is_missing_in_a_link_makes_no_link() {
    for contributors in [
        "null",
        "[]",
        "{}",
        "7",
        "\"x\"",
        "[null]",
        "[{}]",
        r#"[{"id":null}]"#,
        r#"[{"id":""}]"#,
        r#"[{"id":1.5}]"#,
        r#"[{"id":true}]"#,
        "[[1]]",
    ] {
        let line = format!(r#"{{"id":1,"contributors":{contributors}}}"#);
        let mapped = artworks().apply(line.as_bytes()).unwrap();
        assert_eq!(mapped.links, [], "{contributors}");
    }
    assert_eq!(artworks().apply(br#"{"id":1}"#).unwrap().links, []);
    let mapped = artworks()
        .apply(br#"{"id":1,"contributors":[{},{"id":3}]}"#)
        .unwrap();
    assert_eq!(mapped.links[0].to, entity("tate:artist:3"));
}

#[test]
fn each_names_an_array_or_one_value_or_is_left_out() {
    let links = |rule: &str, line: &str| -> Vec<RecordId> {
        let map = map(&format!("[[link]]\nrel = 'sameAs'\n{rule}")).unwrap();
        map.apply(line.as_bytes())
            .unwrap()
            .links
            .iter()
            .map(|link| link.to)
            .collect()
    };
    let one = "each = '/a'\nto = {type = 'entity', id = 'x:{/b}'}";
    assert_eq!(links(one, r#"{"id":1,"a":{"b":2}}"#), [entity("x:2")]);
    let itself = "each = '/a'\nto = {type = 'entity', id = '{}'}";
    assert_eq!(links(itself, r#"{"id":1,"a":["x:1"]}"#), [entity("x:1")]);
    assert_eq!(links(itself, r#"{"id":1,"a":"x:1"}"#), [entity("x:1")]);
    let record = "to = {type = 'entity', id = 'x:{/b/0}'}";
    assert_eq!(links(record, r#"{"id":1,"b":[2]}"#), [entity("x:2")]);
    assert_eq!(links(record, r#"{"id":1,"b":[]}"#), []);
    let constant = "to = {type = 'entity', id = 'x'}";
    assert_eq!(links(constant, r#"{"id":1}"#), [entity("x")]);
}

#[test]
fn one_link_is_made_once_and_links_are_ordered() {
    let map = map(
        "[[link]]\nrel = 'sameAs'\neach = '/a'\nto = {type = 'entity', id = 'x:{}'}\n\
         [[link]]\nrel = 'createdBy'\neach = '/a'\nto = {type = 'entity', id = 'x:{}'}",
    );
    let mapped = map.unwrap().apply(br#"{"id":1,"a":[1,2,1,"1"]}"#).unwrap();
    assert_eq!(mapped.links.len(), 4);
    assert!(mapped.links.is_sorted());
    assert_eq!(mapped.links[0].rel, "createdBy");
}

#[test]
fn more_links_than_an_update_may_have_refuse_the_line() {
    let map =
        map("[[link]]\nrel = 'sameAs'\neach = '/a'\nto = {type = 'entity', id = 'x:{}'}").unwrap();
    let line = |count: usize| {
        let ids: Vec<_> = (0..count).map(|n| n.to_string()).collect();
        format!(r#"{{"id":1,"a":[{}]}}"#, ids.join(","))
    };
    let most = map.apply(line(RECORD_LINKS_MAX).as_bytes()).unwrap();
    assert_eq!(most.links.len(), RECORD_LINKS_MAX);
    let refusal = map
        .apply(line(RECORD_LINKS_MAX + 1).as_bytes())
        .unwrap_err();
    assert_eq!(refusal, Refusal::TooManyLinks(RECORD_LINKS_MAX + 1));
}

#[test]
fn a_name_is_text_or_a_number() {
    let name = |title: &str| {
        artworks()
            .apply(format!(r#"{{"id":1,"title":{title}}}"#).as_bytes())
            .unwrap()
            .name
    };
    assert_eq!(name("\" a \"").as_deref(), Some(" a "));
    assert_eq!(name("1984").as_deref(), Some("1984"));
    assert_eq!(name("1.0").as_deref(), Some("1.0"));
    for title in [
        "null",
        "\"\"",
        "\" \\u00a0\"",
        "true",
        "[]",
        "[\"a\"]",
        "{}",
    ] {
        assert_eq!(name(title), None, "{title}");
    }
    assert_eq!(artworks().apply(br#"{"id":1}"#).unwrap().name, None);
    assert_eq!(
        map("")
            .unwrap()
            .apply(br#"{"id":1,"name":"x"}"#)
            .unwrap()
            .name,
        None
    );
}

#[test]
fn a_name_beyond_its_limit_is_no_name_and_the_record_keeps_it() {
    let line = |bytes: usize| format!(r#"{{"id":1,"title":"{}"}}"#, "x".repeat(bytes));
    let longest = artworks()
        .apply(line(RECORD_NAME_BYTES_MAX).as_bytes())
        .unwrap();
    assert_eq!(longest.name.unwrap().len(), RECORD_NAME_BYTES_MAX);
    let longer = artworks()
        .apply(line(RECORD_NAME_BYTES_MAX + 1).as_bytes())
        .unwrap();
    assert_eq!(longer.name, None);
    assert_eq!(
        longer.meta["title"],
        Ipld::String("x".repeat(RECORD_NAME_BYTES_MAX + 1))
    );
}

#[test]
fn a_record_is_as_large_as_its_update_may_be_in_dag_cbor() {
    let line = |bytes: usize| format!(r#"{{"id":1,"a":"{}"}}"#, "x".repeat(bytes));
    let update = |bytes: usize| {
        artworks().apply(line(bytes).as_bytes()).map(|mapped| {
            mapped
                .update(PublicKey::new([9; 32]), u64::MAX, Vec::new())
                .encode()
                .unwrap()
                .len()
        })
    };
    let overhead = update(60_000).unwrap() - 60_000;
    assert_eq!(update(RECORD_BYTES_MAX - overhead), Ok(RECORD_BYTES_MAX));
    let too_large = RecordError::TooLarge {
        bytes: RECORD_BYTES_MAX + 1,
    };
    assert_eq!(
        update(RECORD_BYTES_MAX - overhead + 1),
        Err(Refusal::Record(too_large))
    );
    // Six bytes of JSON for each of DAG-CBOR.
    let escaped = format!(r#"{{"id":1,"a":"{}"}}"#, r"\u0041".repeat(60_000));
    assert!(artworks().apply(escaped.as_bytes()).is_ok());
}

#[test]
fn a_record_may_nest_as_deep_as_json_may() {
    let line = |levels: usize| {
        format!(
            r#"{{"id":1,"a":{}{}}}"#,
            "[".repeat(levels),
            "]".repeat(levels)
        )
    };
    let mapped = artworks().apply(line(63).as_bytes()).unwrap();
    let update = Record::Update(mapped.update(PublicKey::new([9; 32]), 1, Vec::new()));
    assert_eq!(Record::decode(&update.encode().unwrap()), Ok(update));
    assert!(matches!(
        artworks().apply(line(64).as_bytes()),
        Err(Refusal::Json(_))
    ));
}

#[test]
fn a_map_says_who_speaks_and_how_records_add_up() {
    assert_eq!(
        (artworks().publisher(), artworks().mode()),
        ("tate", Mode::Replace)
    );
    assert_eq!(map("").unwrap().mode(), Mode::Replace);
    assert_eq!(map("mode = 'accumulate'").unwrap().mode(), Mode::Accumulate);
}

#[test]
fn a_map_that_cannot_be_meant_is_refused_with_its_reason() {
    let link = "[[link]]\neach = '/a'\nto = {type = 'entity', id = '{}'}\n";
    for (more, reason) in [
        ("nmae = '/title'", "unknown field `nmae`"),
        (
            "name = 'title'",
            "\"title\" is not a JSON pointer: it does not begin with /",
        ),
        ("name = '/~2'", "~ is followed by neither 0 nor 1"),
        (
            "mode = 'merge'",
            "unknown variant `merge`, expected `replace` or `accumulate`",
        ),
        (link, "missing field `rel`"),
        (
            "[[link]]\nrel = 'madeBy'\nto = {type = 'entity', id = '{}'}",
            "createdBy, derivedFrom, rightsOwnedBy, referencedBy, sameAs",
        ),
        ("[[link]]\nrel = 'sameAs'", "missing field `to`"),
        (
            "[[link]]\nrel = 'sameAs'\nto = {type = 'update', id = '{}'}",
            "\"update\" is not a type of canonical; use entity or artefact",
        ),
        (
            "[[link]]\nrel = 'sameAs'\nto = {type = 'entity', id = '{/a'}",
            "has an unmatched brace",
        ),
        (
            "[[link]]\nrel = 'sameAs'\nto = {type = 'entity', id = '{}', name = '/a'}",
            "unknown field `name`",
        ),
        (
            "[[link]]\nrel = 'sameAs'\nevery = '/a'\nto = {type = 'entity', id = '{}'}",
            "unknown field `every`",
        ),
        ("publisher = 'q'", "duplicate key"),
        ("type", "line 4"),
    ] {
        let error = map(more).unwrap_err();
        assert!(error.contains(reason), "{more}: {error}");
    }
    let whole = |text: &str| Map::parse(text).unwrap_err().to_string();
    assert!(whole("type = 'entity'\nid = '{/id}'").contains("missing field `publisher`"));
    assert!(whole("publisher = 'p'\nid = '{/id}'").contains("missing field `type`"));
    assert!(whole("publisher = 'p'\ntype = 'entity'").contains("missing field `id`"));
    assert!(whole("publisher = ' '\ntype = 'entity'\nid = '{/id}'").contains("publisher is empty"));
    assert!(whole("publisher = 'p'\ntype = 'entity'\nid = 'x'").contains("id has no hole"));
    assert!(whole("publisher = 'p'\ntype = 'person'\nid = '{/id}'").contains("entity or artefact"));
    assert!(whole("").contains("missing field"));
}
