//! Certificates that are properly signed and still outside the profile.

use kittengrad_proto::{
    certificate::{CertificateError, Level, Role, Root},
    signed::Ed25519,
};
use kittengrad_support::tower::{
    Made, Tower, level0_params, level1_params, level2_params, role_uri, root_params,
    transport_params,
};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, DnValue,
    ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, KeyUsagePurpose, NameConstraints, SanType,
    SerialNumber, date_time_ymd,
};

type Change = fn(&mut CertificateParams);

/// The verdict on a tower whose certificate of `level` was made with `change`.
fn verdict(level: Level, change: Change) -> Result<(), CertificateError> {
    let changed = |of: Level, mut params: CertificateParams| {
        if of == level {
            change(&mut params);
        }
        params
    };
    let tower = Tower::new();
    let root = Made::self_signed(changed(Level::Root, root_params()), 1);
    let level0 = root.issue(changed(Level::Zero, level0_params()), 2);
    let level1 = level0.issue(
        changed(Level::One, level1_params("registrar", Role::Registrar)),
        5,
    );
    let leaf = level1.issue(changed(Level::Leaf, level2_params("Tate", Role::Client)), 9);
    let chain = Tower { level0, ..tower }.chain(&[&leaf.der, &level1.der]);
    chain
        .verify(&Root::from_der(root.der)?, &Ed25519)
        .map(|_| ())
}

fn check(level: Level, change: Change, what: &'static str) {
    assert_eq!(
        verdict(level, change),
        Err(CertificateError::Profile { level, what }),
        "{level}: {what}"
    );
}

const ALL: [Level; 4] = [Level::Root, Level::Zero, Level::One, Level::Leaf];
const CONSTRAINTS: &str = "its basic constraints are not those of its level";
const USAGE: &str = "its key usage is not that of its level";
const EXTENDED: &str = "its extended key usage is not that of its level";
const NAMES: &str = "its alternative names are not one role";
const SUBJECT: &str = "its subject is not one common name";

#[test]
fn the_towers_of_these_tests_are_right_but_for_the_change() {
    assert_eq!(verdict(Level::Leaf, |_| ()), Ok(()));
}

#[test]
fn every_level_has_its_own_path_length_and_key_usage() {
    for level in ALL {
        check(
            level,
            |p| p.is_ca = IsCa::Ca(BasicConstraints::Constrained(3)),
            CONSTRAINTS,
        );
        check(
            level,
            |p| p.is_ca = IsCa::Ca(BasicConstraints::Unconstrained),
            CONSTRAINTS,
        );
        check(level, |p| p.key_usages.clear(), USAGE);
        check(
            level,
            |p| p.key_usages.push(KeyUsagePurpose::KeyAgreement),
            USAGE,
        );
    }
    for level in [Level::Root, Level::Zero, Level::One] {
        check(level, |p| p.is_ca = IsCa::ExplicitNoCa, CONSTRAINTS);
        check(level, |p| p.is_ca = IsCa::NoCa, CONSTRAINTS);
        check(
            level,
            |p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth],
            EXTENDED,
        );
    }
    check(
        Level::Zero,
        |p| p.is_ca = IsCa::Ca(BasicConstraints::Constrained(0)),
        CONSTRAINTS,
    );
    check(
        Level::One,
        |p| p.is_ca = IsCa::Ca(BasicConstraints::Constrained(1)),
        CONSTRAINTS,
    );
    check(
        Level::Leaf,
        |p| p.is_ca = IsCa::Ca(BasicConstraints::Constrained(0)),
        CONSTRAINTS,
    );
    check(Level::Leaf, |p| p.is_ca = IsCa::NoCa, CONSTRAINTS);
}

#[test]
fn a_leaf_is_used_as_its_kind_wants_it() {
    use ExtendedKeyUsagePurpose::{Any, ClientAuth, ServerAuth};
    check(Level::Leaf, |p| p.extended_key_usages.clear(), EXTENDED);
    check(
        Level::Leaf,
        |p| p.extended_key_usages = vec![ServerAuth],
        EXTENDED,
    );
    check(
        Level::Leaf,
        |p| p.extended_key_usages = vec![ServerAuth, ClientAuth],
        EXTENDED,
    );
    check(Level::Leaf, |p| p.extended_key_usages.push(Any), EXTENDED);

    let tower = Tower::new();
    for usages in [
        vec![],
        vec![ClientAuth],
        vec![ServerAuth],
        vec![ClientAuth, ServerAuth],
    ] {
        let mut params = transport_params(&tower.peer.public(), Role::Peer);
        params.extended_key_usages = usages;
        let leaf = tower.peer.issue_transport(params, 9);
        let chain = tower.chain(&[&leaf, &tower.peer.der]);
        let error = CertificateError::Profile {
            level: Level::Leaf,
            what: EXTENDED,
        };
        assert_eq!(chain.verify(&tower.trusted(), &Ed25519), Err(error));
    }
}

#[test]
fn alternative_names_are_one_role() {
    for level in ALL {
        check(level, |p| p.subject_alt_names.clear(), NAMES);
        check(level, |p| p.subject_alt_names.push(role_uri("peer")), NAMES);
        check(
            level,
            |p| {
                p.subject_alt_names
                    .push(SanType::DnsName("x.org".try_into().unwrap()))
            },
            NAMES,
        );
        check(
            level,
            |p| {
                p.subject_alt_names
                    .insert(0, SanType::Rfc822Name("a@x.org".try_into().unwrap()))
            },
            NAMES,
        );
        check(
            level,
            |p| p.subject_alt_names = vec![SanType::DnsName("x.org".try_into().unwrap())],
            NAMES,
        );
        check(
            level,
            |p| p.subject_alt_names = vec![SanType::URI("urn:x:root".try_into().unwrap())],
            NAMES,
        );
    }
    for level in [Level::Root, Level::Zero, Level::One] {
        check(
            level,
            |p| {
                p.subject_alt_names
                    .insert(0, SanType::DnsName("x.org".try_into().unwrap()))
            },
            "it has a DNS name, which only transport leaves have",
        );
    }
}

#[test]
fn a_role_stands_at_its_level() {
    let client: Change = |p| p.subject_alt_names = vec![role_uri("client")];
    check(Level::Root, client, "its role is not root");
    check(Level::Zero, client, "its role is not principal");
    check(
        Level::One,
        client,
        "its role is not peer, aggregator or registrar",
    );
    check(
        Level::One,
        |p| p.subject_alt_names = vec![role_uri("principal")],
        "its role is not peer, aggregator or registrar",
    );
    let odd = verdict(Level::Leaf, |p| {
        p.subject_alt_names = vec![role_uri("Client")]
    });
    let refused = CertificateError::NotIssuable {
        issuer: Role::Registrar,
        leaf: "Client".to_owned(),
    };
    assert_eq!(odd, Err(refused));
}

#[test]
fn a_subject_is_one_visible_common_name() {
    fn named(params: &mut CertificateParams, kind: DnType, value: impl Into<DnValue>) {
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(kind, value);
    }
    for level in [Level::Zero, Level::One, Level::Leaf] {
        check(level, |p| named(p, DnType::CommonName, ""), SUBJECT);
        check(level, |p| named(p, DnType::CommonName, "a\nb"), SUBJECT);
        check(
            level,
            |p| named(p, DnType::CommonName, "x".repeat(65)),
            SUBJECT,
        );
        check(
            level,
            |p| named(p, DnType::OrganizationName, "Tate"),
            SUBJECT,
        );
        check(
            level,
            |p| p.distinguished_name.push(DnType::OrganizationName, "Tate"),
            SUBJECT,
        );
        check(
            level,
            |p| {
                named(
                    p,
                    DnType::CommonName,
                    DnValue::PrintableString("Tate".try_into().unwrap()),
                )
            },
            SUBJECT,
        );
    }
    for (level, issuer) in [
        (
            Level::Zero,
            (|p| named(p, DnType::CommonName, "Sample root")) as Change,
        ),
        (Level::One, |p| {
            named(p, DnType::CommonName, "Sample principal")
        }),
        (Level::Leaf, |p| named(p, DnType::CommonName, "registrar")),
    ] {
        check(level, issuer, "its subject has the same name as its issuer");
    }
}

#[test]
fn unknown_extensions_pass_unless_critical_or_duplicate() {
    fn extension(number: u64, critical: bool) -> CustomExtension {
        let mut extension =
            CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 55_555, 1, number], vec![5, 0]);
        extension.set_criticality(critical);
        extension
    }
    for level in ALL {
        let two: Change = |p| p.custom_extensions = vec![extension(1, false), extension(2, false)];
        assert_eq!(verdict(level, two), Ok(()));
        check(
            level,
            |p| p.custom_extensions.push(extension(1, true)),
            "an extension without meaning here is critical",
        );
        check(
            level,
            |p| p.custom_extensions = vec![extension(1, false), extension(1, false)],
            "an extension occurs twice",
        );
        check(
            level,
            |p| {
                let subtree = GeneralSubtree::DnsName("x.org".to_owned());
                p.name_constraints = Some(NameConstraints {
                    permitted_subtrees: vec![subtree],
                    excluded_subtrees: vec![],
                });
            },
            "an extension without meaning here is critical",
        );
    }
}

#[test]
fn serial_numbers_times_and_key_identifiers_are_there() {
    let serial = "its serial number is not 1 to 20 bytes above 0";
    for level in ALL {
        check(
            level,
            |p| p.serial_number = Some(SerialNumber::from_slice(&[0])),
            serial,
        );
        check(
            level,
            |p| p.serial_number = Some(SerialNumber::from_slice(&[1; 21])),
            serial,
        );
        check(
            level,
            |p| p.not_after = date_time_ymd(2000, 1, 1),
            "its validity is not two strict times in order",
        );
        check(
            level,
            |p| p.not_before = date_time_ymd(1969, 12, 31),
            "its validity is not two strict times in order",
        );
        check(
            level,
            |p| p.use_authority_key_identifier_extension = false,
            "its authority key identifier is missing or not 20 bytes",
        );
    }
    assert!(matches!(
        verdict(Level::Leaf, |p| p.key_identifier_method =
            rcgen::KeyIdMethod::PreSpecified(vec![1; 19])),
        Err(CertificateError::Profile {
            what: "its subject key identifier is missing or not 20 bytes",
            ..
        })
    ));
}

#[test]
fn the_shortest_time_and_the_longest_serial_number_pass() {
    let passing: [Change; 3] = [
        |p| p.not_after = p.not_before,
        |p| p.serial_number = Some(SerialNumber::from_slice(&[1; 20])),
        |p| p.serial_number = Some(SerialNumber::from_slice(&[0x81, 9])),
    ];
    for level in ALL {
        for change in passing {
            assert_eq!(verdict(level, change), Ok(()), "{level}");
        }
    }
}
