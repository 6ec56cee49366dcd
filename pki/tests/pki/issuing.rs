//! The certificates that an authority issues, and its refusals.

use std::time::Duration;

use kittengrad_pki::{
    authority::{
        Authority, AuthorityError, CLOCK_SKEW, NETWORK_NAME_BYTES_MAX, Parts, Request,
        TRANSPORT_VALIDITY, default_validity,
    },
    credentials::{Credentials, CredentialsError},
    key_file::generate_key,
    transport::{Transport, TransportError},
};
use kittengrad_proto::{
    certificate::{CertificateError, Role, transport_name},
    id::PublicKey,
    signed::{Ed25519, Signer},
};
use kittengrad_support::{
    authority::{Admit, admit_at, authority_at},
    clock::{DAY_MS, HOUR_MS, NOW_MS},
};
use rustls::SignatureScheme;

fn request(role: Role, name: &str, key: &PublicKey, now_ms: u64) -> Result<(), AuthorityError> {
    let validity = default_validity(role);
    authority_at(NOW_MS)
        .certify(&Request {
            role,
            name,
            key,
            validity,
            now_ms,
        })
        .map(|_| ())
}

#[test]
fn every_role_is_certified_from_an_hour_ago_for_its_time() {
    let authority = authority_at(NOW_MS);
    for role in Role::ALL {
        let key = generate_key().unwrap().public();
        let validity = default_validity(role);
        let (chain, holder) = authority
            .certify(&Request {
                role,
                name: "Tate",
                key: &key,
                validity,
                now_ms: NOW_MS,
            })
            .unwrap();
        assert_eq!(chain.verify(authority.root(), &Ed25519), Ok(holder.clone()));
        assert_eq!(
            (holder.key, holder.role, holder.name.as_str()),
            (key, role, "Tate")
        );
        assert_eq!(CLOCK_SKEW, Duration::from_millis(HOUR_MS));
        assert_eq!(holder.not_before_ms, NOW_MS - HOUR_MS);
        let length_ms = u64::try_from(validity.as_millis()).unwrap();
        assert_eq!(holder.not_after_ms, NOW_MS + length_ms);
    }
}

#[test]
fn a_certificate_ends_no_later_than_its_issuers() {
    let authority = authority_at(NOW_MS);
    let century = Duration::from_millis(36_500 * DAY_MS);
    let peer = Admit {
        validity: century,
        now_ms: NOW_MS,
        ..Admit::new(Role::Peer)
    }
    .by(&authority);
    assert_eq!(peer.holder().not_after_ms, NOW_MS + 3_650 * DAY_MS);
    let client = Admit {
        validity: century,
        now_ms: NOW_MS,
        ..Admit::new(Role::Client)
    }
    .by(&authority);
    assert_eq!(client.holder().not_after_ms, NOW_MS + 1_825 * DAY_MS);
}

#[test]
fn an_authority_that_has_ended_certifies_nobody() {
    let key = generate_key().unwrap().public();
    let later = NOW_MS + 2_000 * DAY_MS;
    assert!(
        request(Role::Peer, "Tate", &key, later).is_ok(),
        "the principal is still in force"
    );
    assert!(matches!(
        request(Role::Client, "Tate", &key, later),
        Err(AuthorityError::Certificate(CertificateError::Expired { name, .. })) if name == "Sample registrar"
    ));
}

#[test]
fn names_that_cannot_stand_in_a_certificate_are_refused() {
    let key = generate_key().unwrap().public();
    for name in ["", "a\nb", &"x".repeat(65)] {
        let error = request(Role::Client, name, &key, NOW_MS).unwrap_err();
        assert!(matches!(error, AuthorityError::Issue(_)), "{error}");
    }
    for (role, name) in [
        (Role::Peer, "Sample principal"),
        (Role::Client, "Sample registrar"),
    ] {
        let error = request(role, name, &key, NOW_MS).unwrap_err().to_string();
        assert!(
            error.ends_with("its subject has the same name as its issuer"),
            "{error}"
        );
    }
    assert!(request(Role::Client, "Musée d’Orsay 東京", &key, NOW_MS).is_ok());
    let longest = "x".repeat(NETWORK_NAME_BYTES_MAX);
    assert!(Authority::generate(&longest, NOW_MS).is_ok());
    let refused = Authority::generate(&format!("{longest}x"), NOW_MS).unwrap_err();
    let limit = NETWORK_NAME_BYTES_MAX.to_string();
    assert!(refused.to_string().contains(&limit), "{refused}");
}

#[test]
fn an_authority_does_not_certify_its_own_keys_for_others() {
    let authority = authority_at(NOW_MS);
    for key in [
        authority.root().key(),
        authority.to_parts().level0_key.public(),
    ] {
        let request = Request {
            role: Role::Client,
            name: "Tate",
            key: &key,
            validity: Duration::from_secs(60),
            now_ms: NOW_MS,
        };
        assert_eq!(
            authority.certify(&request).unwrap_err(),
            AuthorityError::Certificate(CertificateError::SameKey(key)),
        );
    }
}

#[test]
fn parts_of_different_authorities_do_not_fit() {
    let (ours, theirs) = (
        authority_at(NOW_MS).to_parts(),
        authority_at(NOW_MS).to_parts(),
    );
    assert!(Authority::from_parts(ours.clone()).is_ok());
    let changes: [fn(&mut Parts, &Parts); 5] = [
        |parts, theirs| parts.root = theirs.root.clone(),
        |parts, theirs| parts.level0 = theirs.level0.clone(),
        |parts, theirs| parts.registrar = theirs.registrar.clone(),
        |parts, theirs| parts.level0_key = theirs.level0_key.clone(),
        |parts, theirs| parts.registrar_key = theirs.registrar_key.clone(),
    ];
    for change in changes {
        let mut parts = ours.clone();
        change(&mut parts, &theirs);
        assert!(Authority::from_parts(parts).is_err());
    }
}

#[test]
fn a_member_shows_a_leaf_of_a_month_with_a_key_of_its_own() {
    let authority = authority_at(NOW_MS);
    for role in [Role::Peer, Role::Aggregator] {
        let member = admit_at(NOW_MS, &authority, role);
        let now_ms = NOW_MS + 10 * DAY_MS;
        let transport = Transport::of(&member, now_ms).unwrap();
        let holder = transport.holder();
        assert_eq!((holder.key, holder.role), (member.key().public(), role));
        assert_eq!(holder.not_before_ms, now_ms - HOUR_MS);
        assert_eq!(TRANSPORT_VALIDITY, Duration::from_millis(30 * DAY_MS));
        assert_eq!(holder.not_after_ms, now_ms + 30 * DAY_MS);
        assert_eq!(
            transport.identity().chain().certificates()[1..],
            *member.chain().certificates()
        );
        let again = Transport::of(&member, now_ms).unwrap();
        assert_ne!(transport.identity().key_pem(), again.identity().key_pem());
        assert!(transport_name(&holder.key, role).ends_with(&format!(".{role}.kittengrad")));
    }
}

#[test]
fn members_sign_handshakes_with_p256_and_clients_with_ed25519() {
    const P256: SignatureScheme = SignatureScheme::ECDSA_NISTP256_SHA256;
    let authority = authority_at(NOW_MS);
    for (role, scheme) in [
        (Role::Peer, P256),
        (Role::Aggregator, P256),
        (Role::Client, SignatureScheme::ED25519),
        (Role::Indexer, SignatureScheme::ED25519),
    ] {
        let owner = admit_at(NOW_MS, &authority, role);
        let certified = Transport::of(&owner, NOW_MS)
            .unwrap()
            .identity()
            .certified();
        for offered in [P256, SignatureScheme::ED25519] {
            let signer = certified.key.choose_scheme(&[offered]);
            assert_eq!(signer.is_some(), offered == scheme, "{role}, {offered:?}");
        }
    }
}

#[test]
fn a_leaf_ends_no_later_than_its_level_1() {
    let authority = authority_at(NOW_MS);
    let week = Duration::from_millis(7 * DAY_MS);
    let member = Admit {
        validity: week,
        now_ms: NOW_MS,
        ..Admit::new(Role::Peer)
    }
    .by(&authority);
    let transport = Transport::of(&member, NOW_MS).unwrap();
    assert_eq!(transport.holder().not_after_ms, NOW_MS + 7 * DAY_MS);
    assert!(matches!(
        Transport::of(&member, NOW_MS + 8 * DAY_MS),
        Err(TransportError::Certificate(
            CertificateError::Expired { .. }
        ))
    ));
}

#[test]
fn a_transport_is_renewed_only_by_its_holder() {
    let authority = authority_at(NOW_MS);
    let member = admit_at(NOW_MS, &authority, Role::Peer);
    let transport = Transport::of(&member, NOW_MS).unwrap();
    assert_eq!(transport.renew_at_ms(), NOW_MS + 20 * DAY_MS - HOUR_MS / 3);
    let before = transport.identity();
    let other = admit_at(NOW_MS, &authority, Role::Peer);
    assert_eq!(
        transport.renew(&other, NOW_MS),
        Err(TransportError::OtherHolder {
            shown: member.holder().key,
            found: other.holder().key
        }),
    );
    assert_eq!(transport.identity().chain(), before.chain());
    transport.renew(&member, NOW_MS + 20 * DAY_MS).unwrap();
    assert_ne!(transport.identity().chain(), before.chain());
    assert_eq!(transport.holder().not_after_ms, NOW_MS + 50 * DAY_MS);
}

#[test]
fn a_client_shows_its_own_chain_and_a_registrar_nothing() {
    let authority = authority_at(NOW_MS);
    for role in [Role::Client, Role::Indexer] {
        let owner = admit_at(NOW_MS, &authority, role);
        let transport = Transport::of(&owner, NOW_MS).unwrap();
        assert_eq!(transport.identity().chain(), owner.chain());
        assert_eq!(transport.holder(), *owner.holder());
    }
    let registrar = admit_at(NOW_MS, &authority, Role::Registrar);
    assert_eq!(
        Transport::of(&registrar, NOW_MS).unwrap_err(),
        TransportError::Registrar
    );
}

#[test]
fn credentials_are_a_level_1_or_level_2_chain_with_its_key() {
    let authority = authority_at(NOW_MS);
    let peer = admit_at(NOW_MS, &authority, Role::Peer);
    let root = authority.root().clone();
    let stranger = generate_key().unwrap();
    let other_key = Credentials::new(stranger, peer.chain().clone(), root.clone()).unwrap_err();
    assert!(
        matches!(other_key, CredentialsError::OtherKey { .. }),
        "{other_key}"
    );
    let leaf = Transport::of(&peer, NOW_MS)
        .unwrap()
        .identity()
        .chain()
        .clone();
    let not_level1 = Credentials::new(peer.key().clone(), leaf, root).unwrap_err();
    assert!(
        matches!(not_level1, CredentialsError::TransportLeaf { .. }),
        "{not_level1}"
    );
}

#[test]
fn secrets_do_not_show_in_debug_output() {
    let authority = authority_at(NOW_MS);
    let peer = admit_at(NOW_MS, &authority, Role::Peer);
    let secret = format!("{:?}", peer.key().seed());
    let transport = Transport::of(&peer, NOW_MS).unwrap();
    for text in [
        format!("{authority:?}"),
        format!("{peer:?}"),
        format!("{transport:?}"),
    ] {
        assert!(!text.contains(&secret[1..40]), "{text}");
    }
}
