//! Whom right chains vouch for, and which combinations of right certificates are no chain.

use bytes::Bytes;
use kittengrad_proto::{
    certificate::{CertificateError, Chain, Level, Role, Root, is_name},
    id::Id,
    limits::CERTIFICATE_BYTES_MAX,
    signed::Ed25519,
    wire,
};
use kittengrad_support::tower::{
    Made, Tower, level0_params, level1_params, level2_params, root_params, transport_params,
};
use prost::Message;
use rcgen::{CertificateParams, SanType, date_time_ymd};

/// Midnight at the beginning of a year, in ms.
const Y2026: u64 = 1_767_225_600_000;
const Y2027: u64 = 1_798_761_600_000;
const Y2028: u64 = 1_830_297_600_000;
/// Midnight at the beginning of a month of 2026, in ms.
const JUNE: u64 = 1_780_272_000_000;
const JULY: u64 = 1_782_864_000_000;

#[test]
fn a_level_1_chain_certifies_three_roles() {
    let tower = Tower::new();
    for (level1, role) in [
        (&tower.peer, Role::Peer),
        (&tower.aggregator, Role::Aggregator),
        (&tower.registrar, Role::Registrar),
    ] {
        let chain = tower.member(level1);
        let holder = chain.verify(&tower.trusted(), &Ed25519).unwrap();
        assert_eq!(holder.key, level1.public());
        assert_eq!(holder.role, role);
        assert_eq!(holder.name, format!("Sample {role}"));
        assert_eq!(holder.issuer, tower.level0.public());
        assert_eq!((holder.not_before_ms, holder.not_after_ms), (Y2026, Y2028));
        assert_eq!(holder.chain, chain.id());
    }
}

#[test]
fn a_level_2_chain_vouches_for_the_leafs_own_key() {
    let tower = Tower::new();
    for (issuer, role) in [
        (&tower.peer, Role::Client),
        (&tower.registrar, Role::Client),
        (&tower.registrar, Role::Indexer),
    ] {
        let leaf = issuer.issue(level2_params("Tate", role), 9);
        let holder = tower
            .leaf(&leaf, issuer)
            .verify(&tower.trusted(), &Ed25519)
            .unwrap();
        assert_eq!((holder.key, holder.role), (leaf.public(), role));
        assert_eq!(holder.issuer, issuer.public());
        assert_eq!(holder.name, "Tate");
        assert_eq!((holder.not_before_ms, holder.not_after_ms), (Y2026, Y2027));
    }
}

#[test]
fn a_transport_leaf_stands_for_the_key_of_its_level_1() {
    let tower = Tower::new();
    for (member, role) in [
        (&tower.peer, Role::Peer),
        (&tower.aggregator, Role::Aggregator),
    ] {
        let chain = tower.transport(member, role, 9);
        let holder = chain.verify(&tower.trusted(), &Ed25519).unwrap();
        assert_eq!((holder.key, holder.role), (member.public(), role));
        assert_eq!(holder.issuer, tower.level0.public());
        assert_eq!(holder.name, format!("Sample {role}"));
        assert_eq!(holder.not_before_ms, JUNE, "the leaf begins last");
        assert_eq!(holder.not_after_ms, JULY, "the leaf ends first");
    }
}

#[test]
fn a_level_1_issues_only_leaves_of_its_role() {
    let tower = Tower::new();
    let level1s = [
        (&tower.peer, Role::Peer),
        (&tower.aggregator, Role::Aggregator),
        (&tower.registrar, Role::Registrar),
    ];
    for (issuer, issuer_role) in level1s {
        for role in Role::ALL {
            for is_transport in [false, true] {
                let leaf = if is_transport {
                    issuer.issue_transport(transport_params(&issuer.public(), role), 9)
                } else {
                    issuer.issue(level2_params("leaf", role), 9).der
                };
                let chain = tower.chain(&[&leaf, &issuer.der]);
                let is_allowed = match (issuer_role, role) {
                    (Role::Peer, Role::Peer) | (Role::Aggregator, Role::Aggregator) => is_transport,
                    (Role::Peer, Role::Client)
                    | (Role::Registrar, Role::Client | Role::Indexer) => !is_transport,
                    _ => false,
                };
                let verdict = chain.verify(&tower.trusted(), &Ed25519);
                let case = format!("{role} by {issuer_role}, transport: {is_transport}");
                if is_allowed {
                    assert!(verdict.is_ok(), "{case}: {verdict:?}");
                } else {
                    let refused = CertificateError::NotIssuable {
                        issuer: issuer_role,
                        leaf: role.to_string(),
                    };
                    assert_eq!(verdict, Err(refused), "{case}");
                }
            }
        }
    }
}

#[test]
fn a_transport_leaf_for_the_name_of_another_member_is_refused() {
    let tower = Tower::new();
    let other = tower
        .level0
        .issue(level1_params("Other peer", Role::Peer), 8);
    for params in [transport_params(&other.public(), Role::Peer), {
        let mut params = transport_params(&tower.peer.public(), Role::Peer);
        params.subject_alt_names[0] = SanType::DnsName("localhost".try_into().unwrap());
        params
    }] {
        let leaf = tower.peer.issue_transport(params, 9);
        assert!(matches!(
            tower
                .chain(&[&leaf, &tower.peer.der])
                .verify(&tower.trusted(), &Ed25519),
            Err(CertificateError::Profile {
                level: Level::Leaf,
                what: "its DNS name is not that of its issuer"
            })
        ));
    }
}

#[test]
fn a_chain_of_another_network_is_refused() {
    let tower = Tower::new();
    // The same names, another key.
    let foreign = Made::self_signed(root_params(), 101);
    let root = Root::from_der(foreign.der.clone()).unwrap();
    assert_eq!(
        tower.member(&tower.peer).verify(&root, &Ed25519),
        Err(CertificateError::Unlinked {
            level: Level::Zero,
            issuer: foreign.public()
        }),
    );
}

#[test]
fn a_forged_issuer_with_the_right_name_and_id_is_refused() {
    let tower = Tower::new();
    let mut params = root_params();
    params.key_identifier_method =
        rcgen::KeyIdMethod::PreSpecified(params.key_identifier(&tower.root.key));
    let foreign = Made::self_signed(params, 101);
    let level0 = foreign.issue(level0_params(), 2);
    let chain = Chain::from_der(vec![tower.peer.der.clone(), level0.der]).unwrap();
    assert_eq!(
        chain.verify(&tower.trusted(), &Ed25519),
        Err(CertificateError::Forged {
            level: Level::Zero,
            issuer: tower.root.public()
        }),
    );
}

#[test]
fn certificates_in_another_order_or_number_are_no_chain() {
    let tower = Tower::new();
    let client = tower
        .registrar
        .issue(level2_params("Tate", Role::Client), 9);
    let (leaf, one, zero, root) = (
        &client.der,
        &tower.registrar.der,
        &tower.level0.der,
        &tower.root.der,
    );
    for certificates in [
        vec![zero, one],
        vec![leaf, zero],
        vec![one, zero, root],
        vec![one, leaf, zero],
        vec![leaf, leaf, zero],
        vec![one, one, zero],
        vec![leaf, one, root],
    ] {
        let chain = Chain::from_der(certificates.into_iter().cloned().collect()).unwrap();
        assert!(chain.verify(&tower.trusted(), &Ed25519).is_err());
    }
    for count in [0, 1, 4, 1000] {
        assert_eq!(
            Chain::from_der(vec![zero.clone(); count]),
            Err(CertificateError::Count(count))
        );
    }
}

#[test]
fn a_key_stands_in_a_chain_once() {
    let tower = Tower::new();
    let registrar = &tower.registrar;
    for seed in [1, 2, 5] {
        let client = registrar.issue(level2_params("Tate", Role::Client), seed);
        assert_eq!(
            tower
                .leaf(&client, registrar)
                .verify(&tower.trusted(), &Ed25519),
            Err(CertificateError::SameKey(client.public())),
        );
    }
    let check = |chain: Chain, twice: &Made| {
        let refused = CertificateError::SameKey(twice.public());
        assert_eq!(chain.verify(&tower.trusted(), &Ed25519), Err(refused));
    };
    for seed in [1, 2] {
        let params = level1_params("Other peer", Role::Peer);
        let peer = tower.level0.issue(params, seed);
        check(tower.member(&peer), &peer);
    }
    let level0 = tower.root.issue(level0_params(), 1);
    let peer = level0.issue(level1_params("Other peer", Role::Peer), 8);
    check(
        Chain::from_der(vec![peer.der, level0.der.clone()]).unwrap(),
        &level0,
    );
}

#[test]
fn a_chain_takes_certificates_up_to_their_limit_of_bytes() {
    let of_bytes = |bytes: [usize; 3]| {
        let certificates = bytes.map(|bytes| Bytes::from(vec![7; bytes]));
        Chain::from_der(certificates.into())
    };
    let max = CERTIFICATE_BYTES_MAX;
    let largest = of_bytes([max; 3]).unwrap();
    assert_eq!(largest.certificates(), vec![vec![7; max]; 3]);
    let bytes = max + 1;
    let refused = CertificateError::TooLarge { bytes, max };
    for which in 0..3 {
        let mut sizes = [1; 3];
        sizes[which] = bytes;
        assert_eq!(of_bytes(sizes), Err(refused.clone()));
    }
}

#[test]
fn a_name_has_1_to_64_visible_bytes() {
    for name in ["a", "Tate", "Musée d'Orsay", &"x".repeat(64)] {
        assert!(is_name(name), "{name}");
    }
    for name in [
        "",
        "a\nb",
        "\0",
        "a\u{7f}",
        &"x".repeat(65),
        &"é".repeat(33),
    ] {
        assert!(!is_name(name), "{name:?}");
    }
}

#[test]
fn a_holder_is_admitted_from_the_first_to_the_last_moment() {
    let tower = Tower::new();
    let holder = tower
        .member(&tower.peer)
        .verify(&tower.trusted(), &Ed25519)
        .unwrap();
    for now_ms in [Y2026, Y2027, Y2028] {
        assert_eq!(holder.check_at(now_ms), Ok(()));
    }
    let name = || "Sample peer".to_owned();
    for now_ms in [0, Y2026 - 1] {
        let early = CertificateError::NotYetValid {
            name: name(),
            from_ms: Y2026,
            now_ms,
        };
        assert_eq!(holder.check_at(now_ms), Err(early));
    }
    for now_ms in [Y2028 + 1, u64::MAX] {
        let late = CertificateError::Expired {
            name: name(),
            until_ms: Y2028,
            now_ms,
        };
        assert_eq!(holder.check_at(now_ms), Err(late));
    }
}

#[test]
fn a_chain_is_valid_while_each_of_its_certificates_is() {
    for shortest in [Level::Root, Level::Zero, Level::One, Level::Leaf] {
        let params = |level, mut params: CertificateParams| {
            if level == shortest {
                params.not_before = date_time_ymd(2026, 6, 1);
                params.not_after = date_time_ymd(2026, 7, 1);
            }
            params
        };
        let root = Made::self_signed(params(Level::Root, root_params()), 1);
        let level0 = root.issue(params(Level::Zero, level0_params()), 2);
        let level1 = level1_params("registrar", Role::Registrar);
        let level1 = level0.issue(params(Level::One, level1), 5);
        let leaf = level2_params("Tate", Role::Client);
        let leaf = level1.issue(params(Level::Leaf, leaf), 9);
        let chain = Chain::from_der(vec![leaf.der, level1.der, level0.der]).unwrap();
        let trusted = Root::from_der(root.der).unwrap();
        let holder = chain.verify(&trusted, &Ed25519).unwrap();
        let valid_ms = (holder.not_before_ms, holder.not_after_ms);
        assert_eq!(valid_ms, (JUNE, JULY), "{shortest}");
    }
}

#[test]
fn a_holder_has_its_role_and_no_other() {
    let tower = Tower::new();
    let holder = tower
        .member(&tower.peer)
        .verify(&tower.trusted(), &Ed25519)
        .unwrap();
    assert_eq!(holder.check_role(&[Role::Client, Role::Peer]), Ok(()));
    let error = holder
        .check_role(&[Role::Client, Role::Indexer])
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "\"Sample peer\" is certified as peer, not as client or indexer"
    );
}

#[test]
fn a_chain_travels_and_keeps_its_id() {
    let tower = Tower::new();
    let chain = tower.member(&tower.peer);
    assert_eq!(Chain::from_wire(chain.to_wire()), Ok(chain.clone()));
    assert_ne!(chain.id(), tower.member(&tower.registrar).id());
    assert_ne!(chain.id(), Id::ZERO);
    let version = wire::Chain {
        version: 2,
        ..chain.to_wire()
    };
    assert_eq!(Chain::from_wire(version), Err(CertificateError::Version(2)));
    let large = Bytes::from(vec![0; CERTIFICATE_BYTES_MAX + 1]);
    let too_large = Err(CertificateError::TooLarge {
        bytes: 4097,
        max: 4096,
    });
    assert_eq!(
        Chain::from_der(vec![large.clone(), large.clone()]),
        too_large
    );
    assert!(matches!(
        Root::from_der(large),
        Err(CertificateError::TooLarge { .. })
    ));
}

#[test]
fn a_stored_chain_does_not_hold_its_message() {
    let tower = Tower::new();
    let message = Bytes::from(tower.member(&tower.peer).to_wire().encode_to_vec());
    let chain = Chain::from_wire(wire::Chain::decode(message.clone()).unwrap()).unwrap();
    assert!(message.is_unique(), "nothing else refers to its bytes");
    assert_eq!(chain.to_wire().encode_to_vec(), message);
}

#[test]
fn a_root_names_its_network() {
    let tower = Tower::new();
    let root = tower.trusted();
    assert_eq!(root.network(), Id::of(&[&tower.root.der]));
    assert_eq!(root.key(), tower.root.public());
    assert_eq!(root.name(), "Sample root");
    assert!(Root::from_der(tower.level0.der.clone()).is_err());
    assert!(Root::from_der(Bytes::new()).is_err());
}
