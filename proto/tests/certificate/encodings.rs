//! Certificates that are properly signed and say the right things, but not in strict DER.

use bytes::Bytes;
use kittengrad_proto::{
    certificate::{CertificateError, Level, Role},
    signed::Ed25519,
};
use kittengrad_support::tower::{Tower, assemble, level2_params};

/// The verdict on a client's certificate whose signed bytes were changed and signed again.
fn rewritten(change: impl FnOnce(&mut Vec<u8>)) -> Result<(), CertificateError> {
    let tower = Tower::new();
    let leaf = tower
        .registrar
        .issue(level2_params("Tate", Role::Client), 9);
    let der = leaf.resigned(&tower.registrar, change);
    tower
        .chain(&[&der, &tower.registrar.der])
        .verify(&tower.trusted(), &Ed25519)
        .map(|_| ())
}

fn replace(bytes: &mut [u8], from: &[u8], to: &[u8]) {
    let at = bytes.windows(from.len()).position(|w| w == from).unwrap();
    bytes[at..at + to.len()].copy_from_slice(to);
}

fn refused(what: &'static str) -> Result<(), CertificateError> {
    Err(CertificateError::Profile {
        level: Level::Leaf,
        what,
    })
}

#[test]
fn what_is_not_strict_der_is_refused_though_it_is_signed() {
    assert_eq!(rewritten(|_| ()), Ok(()));
    // Version 2 instead of 3.
    let version = rewritten(|b| replace(b, &[0xa0, 3, 2, 1, 2], &[0xa0, 3, 2, 1, 1]));
    assert_eq!(version, refused("its version is not 3"));
    // A boolean that only BER knows.
    let boolean = rewritten(|b| replace(b, &[1, 1, 0xff], &[1, 1, 1]));
    assert_eq!(boolean, refused("an extension is not strict DER"));
    // A boolean that says what goes without saying.
    let default = rewritten(|b| replace(b, &[1, 1, 0xff], &[1, 1, 0]));
    assert_eq!(default, refused("an extension is not strict DER"));
    // A negative serial number, and one with a byte too many.
    let serial = "its serial number is not 1 to 20 bytes above 0";
    assert_eq!(
        rewritten(|b| replace(b, &[2, 2, 1, 9], &[2, 2, 0x81, 9])),
        refused(serial)
    );
    assert_eq!(
        rewritten(|b| replace(b, &[2, 2, 1, 9], &[2, 2, 0, 9])),
        refused(serial)
    );
    // A time with an offset instead of Z.
    let time = rewritten(|b| replace(b, b"260101000000Z", b"2601010000+00"));
    assert_eq!(
        time,
        refused("its validity is not two strict times in order")
    );
    // Another inner algorithm: Ed448.
    let algorithm = rewritten(|b| replace(b, &[6, 3, 0x2b, 0x65, 0x70], &[6, 3, 0x2b, 0x65, 0x71]));
    assert_eq!(
        algorithm,
        refused("its inner signature algorithm is not Ed25519")
    );
}

#[test]
fn nothing_may_follow_what_was_read() {
    let tower = Tower::new();
    let leaf = tower
        .registrar
        .issue(level2_params("Tate", Role::Client), 9);
    let trailing: Bytes = [&leaf.der[..], &[0]].concat().into();
    let chain = tower.chain(&[&trailing, &tower.registrar.der]);
    let verdict = chain.verify(&tower.trusted(), &Ed25519).map(|_| ());
    assert_eq!(
        verdict,
        refused("it is not one Ed25519-signed DER certificate")
    );

    let after_extensions = rewritten(|signed| {
        signed.extend([5, 0]);
        let bytes = u16::try_from(signed.len() - 4).unwrap().to_be_bytes();
        signed[2..4].copy_from_slice(&bytes);
    });
    assert_eq!(
        after_extensions,
        refused("something follows its extensions")
    );
}

#[test]
fn a_signature_is_64_bytes_and_the_last_part() {
    let tower = Tower::new();
    let leaf = tower
        .registrar
        .issue(level2_params("Tate", Role::Client), 9);
    let at = leaf.der.len() - 64;
    let (before, signature) = leaf.der[4..].split_at(at - 4);
    // The tag, the length and the number of unused bits stand before the signature.
    let (before, head) = before.split_at(before.len() - 3);
    assert_eq!(head, [3, 0x41, 0]);
    let with_tail = |tail: &[&[u8]]| {
        let content = [before, &tail.concat()].concat();
        let bytes = u16::try_from(content.len()).unwrap().to_be_bytes();
        let der = Bytes::from([&[0x30, 0x82][..], &bytes, &content].concat());
        let chain = tower.chain(&[&der, &tower.registrar.der]);
        chain.verify(&tower.trusted(), &Ed25519).map(|_| ())
    };
    assert_eq!(with_tail(&[head, signature]), Ok(()));
    let what = "it is not one Ed25519-signed DER certificate";
    for tail in [
        &[&[3, 0x42, 0][..], signature, &[0]][..],
        &[&[3, 0x40, 0], &signature[..63]],
        &[&[3, 0x41, 1], signature],
        &[head, signature, &[5, 0]],
        &[head, signature, head, signature],
        &[],
    ] {
        assert_eq!(with_tail(tail), refused(what));
    }
}

#[test]
fn a_length_in_more_bytes_than_needed_is_refused() {
    let tower = Tower::new();
    let leaf = tower
        .registrar
        .issue(level2_params("Tate", Role::Client), 9);
    let short = &leaf.der[4..];
    // The signed part, its length written with a leading zero.
    let bytes = usize::from(u16::from_be_bytes([short[2], short[3]]));
    let padded = [&[0x30, 0x83, 0][..], &short[2..4], &short[4..4 + bytes]].concat();
    let der = assemble(&padded, &tower.registrar.key);
    let verdict = tower
        .chain(&[&der, &tower.registrar.der])
        .verify(&tower.trusted(), &Ed25519);
    assert_eq!(
        verdict.map(|_| ()),
        refused("it is not one Ed25519-signed DER certificate")
    );
}
