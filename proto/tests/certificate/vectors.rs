//! Golden vectors: certificates whose bytes, ids and meaning never change.

use std::collections::BTreeMap;

use bytes::Bytes;
use kittengrad_proto::{
    certificate::{Chain, Holder, Role, Root, transport_name},
    signed::Ed25519,
};
use kittengrad_support::tower::{Tower, level2_params};
use x509_parser::{certificate::X509Certificate, prelude::FromDer};

const FILE: &str = include_str!("../../testdata/certificates.txt");

/// Names the chains and their certificates, the leaf first.
const CHAINS: [(&str, &[&str]); 6] = [
    ("peer", &["peer", "level0"]),
    ("aggregator", &["aggregator", "level0"]),
    ("registrar", &["registrar", "level0"]),
    ("transport", &["transport", "peer", "level0"]),
    ("client", &["client", "registrar", "level0"]),
    ("indexer", &["indexer", "registrar", "level0"]),
];

fn file() -> BTreeMap<&'static str, &'static str> {
    let lines = FILE
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.split_once(' ').unwrap()).collect()
}

/// The certificates that the seeds of the file make.
fn made() -> Vec<(&'static str, Bytes)> {
    let tower = Tower::new();
    let client = tower
        .registrar
        .issue(level2_params("Sample client", Role::Client), 6);
    let indexer = tower
        .registrar
        .issue(level2_params("Sample indexer", Role::Indexer), 7);
    let transport = tower.transport(&tower.peer, Role::Peer, 8);
    vec![
        ("root", tower.root.der),
        ("level0", tower.level0.der),
        ("peer", tower.peer.der),
        ("aggregator", tower.aggregator.der),
        ("registrar", tower.registrar.der),
        ("client", client.der),
        ("indexer", indexer.der),
        ("transport", transport.certificates()[0].clone()),
    ]
}

fn certificate(file: &BTreeMap<&str, &str>, name: &str) -> Bytes {
    hex::decode(file[format!("{name}.der").as_str()])
        .unwrap()
        .into()
}

/// Everything that is decided about a chain, as the file writes it.
fn described(name: &str, chain: &Chain, holder: &Holder) -> Vec<(String, String)> {
    vec![
        (format!("{name}.chain"), chain.id().to_string()),
        (format!("{name}.key"), holder.key.to_string()),
        (format!("{name}.issuer"), holder.issuer.to_string()),
        (format!("{name}.role"), holder.role.to_string()),
        (format!("{name}.name"), holder.name.clone()),
        (
            format!("{name}.valid_ms"),
            format!("{} {}", holder.not_before_ms, holder.not_after_ms),
        ),
    ]
}

#[test]
fn the_golden_chains_mean_what_they_always_meant() {
    let file = file();
    let root = Root::from_der(certificate(&file, "root")).unwrap();
    assert_eq!(root.network().to_string(), file["network"]);
    for (name, certificates) in CHAINS {
        let ders = certificates.iter().map(|c| certificate(&file, c)).collect();
        let chain = Chain::from_der(ders).unwrap();
        let holder = chain.verify(&root, &Ed25519).unwrap();
        assert_eq!(holder.chain, chain.id());
        for (field, value) in described(name, &chain, &holder) {
            assert_eq!(value, file[field.as_str()], "{field}");
        }
    }
    let peer = file["peer.key"].parse().unwrap();
    assert_eq!(transport_name(&peer, Role::Peer), file["transport.dns"]);
}

#[test]
fn the_golden_certificates_are_what_their_seeds_make() {
    let file = file();
    for (name, der) in made() {
        assert_eq!(
            hex::encode(&der),
            file[format!("{name}.der").as_str()],
            "{name}"
        );
    }
}

#[test]
fn another_reader_of_certificates_finds_the_same_in_them() {
    let file = file();
    let root = Root::from_der(certificate(&file, "root")).unwrap();
    for (name, certificates) in CHAINS {
        let ders: Vec<_> = certificates.iter().map(|c| certificate(&file, c)).collect();
        let holder = Chain::from_der(ders.clone())
            .unwrap()
            .verify(&root, &Ed25519)
            .unwrap();
        // A transport leaf speaks for the certificate after it.
        let names_holder = if name == "transport" {
            &ders[1]
        } else {
            &ders[0]
        };
        let (rest, parsed) = X509Certificate::from_der(names_holder).unwrap();
        assert!(rest.is_empty());
        assert_eq!(
            parsed.public_key().subject_public_key.as_ref(),
            holder.key.as_bytes()
        );
        let common_name = parsed
            .subject()
            .iter_common_name()
            .next()
            .unwrap()
            .as_str()
            .unwrap();
        assert_eq!(common_name, holder.name);
        let (_, first) = X509Certificate::from_der(&ders[0]).unwrap();
        let ms = |t: x509_parser::time::ASN1Time| u64::try_from(t.timestamp()).unwrap() * 1_000;
        assert_eq!(ms(first.validity().not_before), holder.not_before_ms);
        assert_eq!(ms(first.validity().not_after), holder.not_after_ms);
    }
}
