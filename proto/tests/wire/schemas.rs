//! The schemas: everything in them is explained where it is declared.

use kittengrad_proto::wire::DESCRIPTORS;
use prost::Message;
use prost_types::FileDescriptorSet;

/// Whether a path leads to a message, an enum, a service, or a part of one. Numbers are those of descriptors.
fn is_declared(path: &[i32]) -> bool {
    match path {
        [4..=6, _] | [5 | 6, _, 2, _] => true,
        [4, _, inner @ ..] => is_declared_in_message(inner),
        _ => false,
    }
}

/// The same from a message on: a field, a message, an enum, a oneof, or a part of one.
fn is_declared_in_message(path: &[i32]) -> bool {
    match path {
        [2 | 3 | 4 | 8, _] | [4, _, 2, _] => true,
        [3, _, inner @ ..] => is_declared_in_message(inner),
        _ => false,
    }
}

#[test]
fn everything_in_a_schema_has_a_comment() {
    let files = FileDescriptorSet::decode(DESCRIPTORS).unwrap().file;
    let ours = files
        .iter()
        .filter(|file| !file.package().starts_with("google.protobuf"));
    let mut found = 0;
    for file in ours {
        let places = &file.source_code_info.as_ref().unwrap().location;
        for place in places.iter().filter(|place| is_declared(&place.path)) {
            let line = place.span[0] + 1;
            assert!(
                !place.leading_comments().trim().is_empty(),
                "{}:{line} has no comment",
                file.name()
            );
            found += 1;
        }
    }
    assert!(found > 200, "only {found} declarations found");
}
