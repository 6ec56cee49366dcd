//! A second opinion: OpenSSL reads, verifies and makes the same files.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use kittengrad_pki::{
    authority::{Authority, default_validity},
    credentials::{CredentialsError, Paths, read_key},
    directory::{Admission, InitOptions},
    key_file::KeyFileError,
    transport::Transport,
};
use kittengrad_proto::{
    certificate::{Role, transport_name},
    signed::Signer,
};
use kittengrad_support::{clock::unix_ms, samples::skipped};
use tempfile::TempDir;

/// Whether there is an OpenSSL on this machine; says so if not.
fn is_installed() -> bool {
    let found = Command::new("openssl")
        .arg("version")
        .output()
        .is_ok_and(|o| o.status.success());
    if !found {
        skipped("what OpenSSL thinks of certificates: it is not installed");
    }
    found
}

fn openssl(dir: &Path, command: &str) -> Output {
    Command::new("openssl")
        .args(command.split(' '))
        .current_dir(dir)
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    let text = [&output.stdout[..], &output.stderr].concat();
    String::from_utf8_lossy(&text).into_owned()
}

fn check(dir: &Path, command: &str) -> String {
    let output = openssl(dir, command);
    assert!(output.status.success(), "{command}: {}", said(&output));
    said(&output)
}

fn check_refused(dir: &Path, command: &str) {
    let output = openssl(dir, command);
    assert!(!output.status.success(), "{command}: {}", said(&output));
}

fn admission(role: Role) -> Admission<'static> {
    let validity = default_validity(role);
    Admission {
        role,
        name: "Tate",
        validity,
        existing_key: None,
        now_ms: unix_ms(),
    }
}

/// An authority in `ca`, and in `peer`, `aggregator`, ... whom it admitted.
fn network() -> TempDir {
    let temp = tempfile::tempdir().unwrap();
    let options = InitOptions {
        name: "Sample".to_owned(),
        now_ms: unix_ms(),
    };
    let authority = Authority::init(&temp.path().join("ca"), &options)
        .unwrap()
        .authority;
    for role in Role::ALL {
        let dir = temp.path().join(role.as_str());
        let admitted = authority.admit(&admission(role), &dir).unwrap();
        if role.is_member() {
            let transport = Transport::of(&admitted.credentials, unix_ms()).unwrap();
            fs::write(
                dir.join("transport.pem"),
                transport.identity().certificates_pem(),
            )
            .unwrap();
            fs::write(dir.join("transport.key"), transport.identity().key_pem()).unwrap();
        }
    }
    temp
}

/// Keeps S10.
#[test]
fn openssl_verifies_every_chain_strictly() {
    if !is_installed() {
        return;
    }
    let net = network();
    for role in Role::ALL {
        let dir = net.path().join(role.as_str());
        check(
            &dir,
            "verify -x509_strict -CAfile root.pem -untrusted chain.pem chain.pem",
        );
        check_refused(
            &dir,
            "verify -x509_strict -CAfile root.pem chain.pem -untrusted root.pem",
        );
        if matches!(role, Role::Client | Role::Indexer) {
            let verify = "verify -x509_strict -CAfile root.pem -untrusted chain.pem";
            check(&dir, &format!("{verify} -purpose sslclient chain.pem"));
            check_refused(&dir, &format!("{verify} -purpose sslserver chain.pem"));
        }
        let text = check(&dir, "x509 -in chain.pem -noout -text");
        assert!(
            text.contains(&format!("URI:urn:kittengrad:role:{role}")),
            "{text}"
        );
    }
    let ca = net.path().join("ca");
    check(&ca, "verify -x509_strict -CAfile root.pem root.pem");
    check(
        &ca,
        "verify -x509_strict -CAfile root.pem -untrusted level0.pem registrar.pem",
    );
}

#[test]
fn openssl_verifies_a_transport_leaf_as_the_server_it_names() {
    if !is_installed() {
        return;
    }
    let net = network();
    for role in [Role::Peer, Role::Aggregator] {
        let dir = net.path().join(role.as_str());
        let key = read_key(&Paths::in_dir(&dir).key).unwrap().public();
        let verify = "verify -x509_strict -CAfile root.pem -untrusted transport.pem";
        let name = transport_name(&key, role);
        for purpose in ["sslserver", "sslclient"] {
            check(
                &dir,
                &format!("{verify} -purpose {purpose} -verify_hostname {name} transport.pem"),
            );
        }
        check_refused(
            &dir,
            &format!("{verify} -verify_hostname x{name} transport.pem"),
        );
        let text = check(&dir, "pkey -in transport.key -noout -text");
        assert!(text.contains("NIST CURVE: P-256"), "{text}");
        assert_eq!(
            check(&dir, "x509 -in transport.pem -noout -pubkey"),
            check(&dir, "pkey -in transport.key -pubout")
        );
    }
}

#[test]
fn openssl_reads_the_keys() {
    if !is_installed() {
        return;
    }
    let net = network();
    for role in Role::ALL {
        let dir = net.path().join(role.as_str());
        let key = read_key(&Paths::in_dir(&dir).key).unwrap().public();
        let der = openssl(&dir, "pkey -in key.pem -pubout -outform DER").stdout;
        assert!(
            der.ends_with(key.as_bytes()),
            "{}",
            said(&openssl(&dir, "pkey -in key.pem -text"))
        );
        let certified = check(&dir, "x509 -in chain.pem -noout -pubkey");
        assert_eq!(certified, check(&dir, "pkey -in key.pem -pubout"));
    }
    for name in ["root", "level0", "registrar"] {
        let ca = net.path().join("ca");
        let certified = check(&ca, &format!("x509 -in {name}.pem -noout -pubkey"));
        assert_eq!(
            certified,
            check(&ca, &format!("pkey -in {name}.key -pubout"))
        );
    }
}

#[test]
fn a_key_made_by_openssl_is_admitted() {
    if !is_installed() {
        return;
    }
    let net = network();
    let dir = net.path().join("brought");
    fs::create_dir(&dir).unwrap();
    check(&dir, "genpkey -algorithm ed25519 -out key.pem");
    let existing_key = Some(read_key(&dir.join("key.pem")).unwrap());
    let authority = Authority::open(&net.path().join("ca")).unwrap();
    authority
        .admit(
            &Admission {
                existing_key,
                ..admission(Role::Client)
            },
            &dir,
        )
        .unwrap();
    check(
        &dir,
        "verify -x509_strict -CAfile root.pem -untrusted chain.pem chain.pem",
    );
}

#[test]
fn keys_that_cannot_be_used_are_told_apart() {
    if !is_installed() {
        return;
    }
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    check(dir, "genpkey -algorithm ed25519 -out plain.pem");
    check(
        dir,
        "pkcs8 -topk8 -scrypt -in plain.pem -out encrypted.pem -passout pass:secret",
    );
    check(dir, "genpkey -algorithm x25519 -out x25519.pem");
    for (name, expected) in [
        ("encrypted.pem", KeyFileError::Encrypted),
        ("x25519.pem", KeyFileError::NotEd25519),
    ] {
        let error = read_key(&dir.join(name)).unwrap_err();
        assert!(
            matches!(error, CredentialsError::Key { error, .. } if error == expected),
            "{name}"
        );
    }
}
