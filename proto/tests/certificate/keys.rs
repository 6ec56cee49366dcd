//! Kinds of keys: Ed25519 for identities, P-256 for transport leaves.

use bytes::Bytes;
use kittengrad_proto::{
    certificate::{CertificateError, Chain, Holder, Level, Role, Root},
    signed::Ed25519,
};
use kittengrad_support::tower::{
    Tower, TransportKey, level0_params, level1_params, level2_params, root_params, transport_params,
};
use rcgen::{
    KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PublicKeyData,
    SignatureAlgorithm,
};

/// A public key of any bytes.
struct RawKey(&'static SignatureAlgorithm, Vec<u8>);

impl PublicKeyData for RawKey {
    fn der_bytes(&self) -> &[u8] {
        &self.1
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        self.0
    }
}

/// The verdict on the transport leaf of the tower's peer, with this key.
fn transport(key: &impl PublicKeyData) -> Result<Holder, CertificateError> {
    let tower = Tower::new();
    let peer = &tower.peer;
    let leaf = peer.certify(&transport_params(&peer.public(), Role::Peer), key);
    tower
        .chain(&[&leaf, &peer.der])
        .verify(&tower.trusted(), &Ed25519)
}

fn refused<T>(level: Level, what: &'static str) -> Result<T, CertificateError> {
    Err(CertificateError::Profile { level, what })
}

#[test]
fn an_identity_with_a_p256_key_is_refused() {
    let tower = Tower::new();
    let (root, zero, one) = (&tower.root, &tower.level0, &tower.registrar);
    let level0 = root.certify(&level0_params(), &TransportKey);
    let level1 = level1_params("Sample registrar", Role::Registrar);
    let level1 = zero.certify(&level1, &TransportKey);
    let client = one.certify(&level2_params("Tate", Role::Client), &TransportKey);
    let what = "its key is P-256, which only transport leaves have";
    let chains: [(Level, Vec<&Bytes>); 3] = [
        (Level::Zero, vec![&one.der, &level0]),
        (Level::One, vec![&level1, &zero.der]),
        (Level::Leaf, vec![&client, &one.der, &zero.der]),
    ];
    for (level, certificates) in chains {
        let chain = Chain::from_der(certificates.into_iter().cloned().collect()).unwrap();
        let verdict = chain.verify(&tower.trusted(), &Ed25519);
        assert_eq!(verdict, refused(level, what), "{level}");
    }
    let root = root.certify(&root_params(), &TransportKey);
    assert_eq!(Root::from_der(root), refused(Level::Root, what));
}

#[test]
fn a_transport_leaf_with_an_ed25519_key_is_refused() {
    let peer = Tower::new().peer.public();
    assert_eq!(transport(&TransportKey).unwrap().key, peer);
    let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let what = "its key is Ed25519; a transport leaf must have a P-256 key";
    assert_eq!(transport(&key), refused(Level::Leaf, what));
}

#[test]
fn keys_of_other_kinds_and_forms_are_refused() {
    let (p256, point) = (&PKCS_ECDSA_P256_SHA256, TransportKey::POINT.to_vec());
    let prefixed = |prefix: u8| [&[prefix], &point[1..]].concat();
    let p384 = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
    for key in [
        RawKey(&PKCS_ECDSA_P384_SHA384, p384.public_key_raw().to_vec()),
        RawKey(&PKCS_ECDSA_P384_SHA384, point.clone()),
        // Compressed, hybrid, and the point at infinity.
        RawKey(p256, [&[3], &point[1..33]].concat()),
        RawKey(p256, prefixed(6)),
        RawKey(p256, prefixed(7)),
        RawKey(p256, vec![0]),
        // Unknown, shorter, longer, nothing.
        RawKey(p256, prefixed(5)),
        RawKey(p256, point[..64].to_vec()),
        RawKey(p256, [&point[..], &[0]].concat()),
        RawKey(p256, vec![]),
        RawKey(&PKCS_ED25519, vec![1; 31]),
        RawKey(&PKCS_ED25519, vec![1; 33]),
        RawKey(&PKCS_ED25519, point.clone()),
    ] {
        let what = "its key is neither Ed25519 nor an uncompressed P-256 point";
        let case = format!("{:?} {}", key.0, hex::encode(&key.1));
        assert_eq!(transport(&key), refused(Level::Leaf, what), "{case}");
    }
}

#[test]
fn a_point_off_the_curve_is_left_to_the_handshake() {
    let off = RawKey(&PKCS_ECDSA_P256_SHA256, vec![4; 65]);
    let holder = transport(&off).unwrap();
    assert_eq!(holder.key, Tower::new().peer.public());
}
