//! Signatures: one rule for all, ZIP 215, and ids that no second signature changes.

use kittengrad_proto::{
    id::PublicKey,
    signed::{Ed25519, Kind, Signed, SignedError, Signer, SigningKey, Verifier},
    wire,
};

use crate::samples::{WORLD, overlay, updates};

fn bytes<const N: usize>(hex: &str) -> [u8; N] {
    hex::decode(hex).unwrap().try_into().unwrap()
}

/// Seed, public key, message and signature of RFC 8032, section 7.1, tests 1 to 3.
const RFC_8032: [[&str; 4]; 3] = [
    [
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ],
    [
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ],
    [
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ],
];

#[test]
fn keys_and_signatures_are_those_of_rfc_8032() {
    for [seed, public, message, signature] in RFC_8032 {
        let key = SigningKey::from_seed(&bytes(seed));
        assert_eq!(key.public().to_string(), public);
        assert_eq!(hex::encode(key.seed()), seed);
        let message = hex::decode(message).unwrap();
        assert_eq!(hex::encode(key.sign(&message)), signature);
        assert!(Ed25519.verify(&key.public(), &message, &bytes(signature)));
        assert!(!Ed25519.verify(&key.public(), b"another", &bytes(signature)));
    }
}

/// All encodings of the eight points of small order, six of them not canonical.
const SMALL_ORDER: [&str; 14] = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
];

/// Implementations of Ed25519 differ on these signatures. ZIP 215 accepts all of them.
#[test]
fn points_of_small_order_are_judged_as_zip_215_judges_them() {
    for key in SMALL_ORDER {
        for r in SMALL_ORDER {
            let signature = bytes(&format!("{r}{}", "00".repeat(32)));
            let key = PublicKey::new(bytes(key));
            assert!(Ed25519.verify(&key, b"Zcash", &signature), "{key} {r}");
        }
    }
}

/// The order of the group, little-endian.
const ORDER: &str = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";

#[test]
fn a_signature_cannot_be_written_in_a_second_way() {
    let [_, public, _, signature] = RFC_8032[0];
    let mut signature: [u8; 64] = bytes(signature);
    let mut carry = 0;
    for (byte, order) in signature[32..].iter_mut().zip(bytes::<32>(ORDER)) {
        let sum = u16::from(*byte) + u16::from(order) + carry;
        *byte = sum.to_le_bytes()[0];
        carry = sum >> 8;
    }
    assert_eq!(carry, 0);
    assert!(!Ed25519.verify(&PublicKey::new(bytes(public)), b"", &signature));
}

#[test]
fn noise_is_no_key() {
    // No point of the curve has a y of 2.
    let mut noise = [0; 32];
    noise[0] = 2;
    assert!(!Ed25519.verify(&PublicKey::new(noise), b"", &[0; 64]));
}

#[test]
fn a_signature_has_exactly_64_bytes() {
    let read = |bytes: usize| {
        let wire = wire::Signed {
            signature: vec![7; bytes].into(),
            ..updates().signed().to_wire()
        };
        Signed::from_wire(Kind::Transaction, Some(wire), 1_000)
    };
    assert!(read(64).is_ok());
    for bytes in [0, 63, 65, 128] {
        assert_eq!(read(bytes), Err(SignedError::Length(bytes)));
    }
    let missing = Signed::from_wire(Kind::Transaction, None, 1_000);
    assert_eq!(missing, Err(SignedError::Missing));
}

#[test]
fn signing_again_mints_no_second_id() {
    let body = updates().signed().body().clone();
    let again = Signed::new(Kind::Transaction, body, &WORLD.other.key);
    assert_eq!(again.id(), updates().id());
    assert_ne!(again.encode(), updates().signed().encode());
    let taken =
        kittengrad_proto::transaction::Transaction::from_wire(Some(again.to_wire()), overlay());
    assert!(taken.unwrap().verify(&Ed25519).is_err());
}
