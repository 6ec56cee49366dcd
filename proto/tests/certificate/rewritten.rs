//! Certificates of each level that say one thing else than their issuer wrote, signed again by that issuer.

use kittengrad_proto::{
    certificate::{CertificateError, Chain, Level, Role, Root},
    signed::Ed25519,
};
use kittengrad_support::tower::{Made, Tower, level2_params};

const ALL: [Level; 4] = [Level::Root, Level::Zero, Level::One, Level::Leaf];

const OCTET_STRING: u8 = 0x04;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
/// Tag of the list of extensions.
const EXTENSIONS: u8 = 0xa3;
/// `BOOLEAN TRUE`, as it stands between an extension's identifier and value.
const CRITICAL: (u8, &[u8]) = (1, &[0xff]);
/// Last numbers of the identifiers below 2.5.29, as RFC 5280 section 4.2.1 has them.
const SUBJECT_KEY_ID: u8 = 14;
const KEY_USAGE: u8 = 15;
const ALTERNATIVE_NAMES: u8 = 17;
const BASIC_CONSTRAINTS: u8 = 19;
const AUTHORITY_KEY_ID: u8 = 35;
const EXTENDED_KEY_USAGE: u8 = 37;

/// The verdict on a tower whose certificate of `level` was changed and signed again.
fn verdict(level: Level, change: impl Fn(&mut Vec<u8>)) -> Result<(), CertificateError> {
    let tower = Tower::new();
    let (root, zero, one) = (&tower.root, &tower.level0, &tower.registrar);
    let leaf = &one.issue(level2_params("Tate", Role::Client), 9);
    let der = |of: Level, made: &Made, issuer: &Made| match of == level {
        true => made.resigned(issuer, &change),
        false => made.der.clone(),
    };
    let trusted = Root::from_der(der(Level::Root, root, root))?;
    let chain = vec![
        der(Level::Leaf, leaf, one),
        der(Level::One, one, zero),
        der(Level::Zero, zero, root),
    ];
    Chain::from_der(chain)?
        .verify(&trusted, &Ed25519)
        .map(|_| ())
}

/// Elements that follow each other, each as its tag and content.
fn elements(mut der: &[u8]) -> Vec<(u8, &[u8])> {
    let mut found = Vec::new();
    while let [tag, rest @ ..] = der {
        let (bytes, rest) = match rest {
            [0x82, high, low, rest @ ..] => (u16::from_be_bytes([*high, *low]), rest),
            [0x81, bytes, rest @ ..] | [bytes, rest @ ..] => (u16::from(*bytes), rest),
            [] => panic!("an element without a length"),
        };
        let (content, rest) = rest.split_at(usize::from(bytes));
        found.push((*tag, content));
        der = rest;
    }
    found
}

/// An element of this tag and content.
fn element((tag, content): (u8, &[u8])) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    let length = match length {
        [0, bytes @ 0..0x80] => vec![bytes],
        [0, bytes] => vec![0x81, bytes],
        [high, low] => vec![0x82, high, low],
    };
    [&[tag][..], &length, content].concat()
}

/// Makes the extension with this number critical if it was not, and the other way round.
fn toggle(signed: &mut Vec<u8>, number: u8) {
    let whole = std::mem::take(signed);
    let mut fields = elements(elements(&whole)[0].1);
    let (tag, tagged) = fields.pop().unwrap();
    let mut is_found = false;
    let mut toggled = |(tag, extension)| {
        let mut parts = elements(extension);
        if parts[0].1 == [0x55, 0x1d, number] {
            is_found = true;
            match parts.len() {
                3 => drop(parts.remove(1)),
                _ => parts.insert(1, CRITICAL),
            }
        }
        element((
            tag,
            &parts.into_iter().flat_map(element).collect::<Vec<_>>(),
        ))
    };
    let extensions = elements(elements(tagged)[0].1);
    let extensions: Vec<u8> = extensions.into_iter().flat_map(&mut toggled).collect();
    assert!(is_found, "there is no extension {number}");
    let list = element((SEQUENCE, &extensions));
    fields.push((tag, &list));
    let content: Vec<u8> = fields.into_iter().flat_map(element).collect();
    *signed = element((SEQUENCE, &content));
}

#[test]
fn a_certificate_that_names_another_issuer_is_refused() {
    let tower = Tower::new();
    let (root, zero, one) = (&tower.root, &tower.level0, &tower.registrar);
    for (level, issuer) in ALL.into_iter().zip([root, root, zero, one]) {
        // By the right key and with its identifier. The issuer's name stands before the subject's.
        let rename = |signed: &mut Vec<u8>| {
            let at = signed.windows(6).position(|name| name == b"Sample");
            signed[at.unwrap()..][..6].copy_from_slice(b"Simple");
        };
        let issuer = issuer.public();
        let refused = Err(CertificateError::Unlinked { level, issuer });
        assert_eq!(verdict(level, rename), refused, "{level}");
    }
}

/// All versions of these elements in which one, at any depth, is missing, or there twice, or has a NULL at its end.
/// An extension's value is an OCTET STRING with an element in it.
fn edited(der: &[u8], is_value: bool) -> Vec<Vec<u8>> {
    const NULL: &[u8] = &[5, 0];
    let parts: Vec<_> = elements(der).into_iter().map(element).collect();
    let mut versions = Vec::new();
    for (i, (tag, content)) in elements(der).into_iter().enumerate() {
        let is_octets = tag == OCTET_STRING && !is_value;
        let mut places = vec![Vec::new(), parts[i].repeat(2)];
        if is_octets || [SEQUENCE, SET, EXTENSIONS].contains(&tag) {
            let mut inside = edited(content, is_octets || is_value);
            inside.push([content, NULL].concat());
            places.extend(inside.iter().map(|content| element((tag, content))));
        }
        for place in places {
            let (before, after) = (parts[..i].concat(), parts[i + 1..].concat());
            versions.push([before, place, after].concat());
        }
    }
    versions
}

#[test]
fn a_certificate_has_each_of_its_parts_exactly_once() {
    let tower = Tower::new();
    let leaf = tower
        .registrar
        .issue(level2_params("Tate", Role::Client), 9);
    let mut signed = Vec::new();
    leaf.resigned(&tower.registrar, |bytes| signed.clone_from(bytes));
    let whole = elements(&signed)[0].1;
    let versions = edited(whole, false);
    assert!(versions.len() > 100, "{}", versions.len());
    for version in versions {
        let der = element((SEQUENCE, &version));
        let found = verdict(Level::Leaf, |signed| signed.clone_from(&der));
        let level = Level::Leaf;
        assert!(
            matches!(&found, Err(CertificateError::Profile { level: l, .. } | CertificateError::Unlinked { level: l, .. }) if *l == level),
            "{found:?}: {version:02x?}"
        );
    }
}

#[test]
fn extensions_are_critical_where_the_profile_says_so() {
    for level in ALL {
        let mut numbers = vec![
            SUBJECT_KEY_ID,
            KEY_USAGE,
            ALTERNATIVE_NAMES,
            BASIC_CONSTRAINTS,
            AUTHORITY_KEY_ID,
        ];
        numbers.extend((level == Level::Leaf).then_some(EXTENDED_KEY_USAGE));
        for number in numbers {
            let what = "an extension is critical or not against the profile";
            let refused = Err(CertificateError::Profile { level, what });
            let once = verdict(level, |signed| toggle(signed, number));
            assert_eq!(once, refused, "{level}, extension {number}");
            let twice = verdict(level, |signed| {
                toggle(signed, number);
                toggle(signed, number);
            });
            assert_eq!(twice, Ok(()), "{level}, extension {number} as it was");
        }
    }
}
