//! Faults of a network file, each with its place.

use std::{
    io,
    path::{Path, PathBuf},
};

use data_encoding::BASE64URL_NOPAD;
use kittengrad_overlay::file::{MemberFault, NetworkError, NetworkFile, Place};
use kittengrad_proto::{
    certificate::{CertificateError, Role, pem},
    identity::{Identity, IdentityError},
    namespace::Overlay,
};
use kittengrad_ring::RingError;

use crate::{
    network::Network,
    network_file::{file, network},
};

/// A place in a text that is not from a file.
fn line(line: usize) -> Place {
    Place { path: None, line }
}

/// The text of a file with one more member, which may be a wrong one.
fn with_member(text: &str, identity: &Identity) -> String {
    let encoded = BASE64URL_NOPAD.encode(&identity.signed().encode());
    format!("{text}\n[[member]]\nidentity = \"{encoded}\"\n")
}

#[test]
fn only_the_known_version_is_read() {
    let (net, peers) = network(1);
    let text = file(&net, &peers).to_toml();
    for found in [-1, 0, 2] {
        let other = text.replace("version = 1", &format!("version = {found}"));
        let refused = NetworkFile::parse(&other).unwrap_err();
        let place = line(3);
        assert_eq!(refused, NetworkError::Version { place, found });
    }
}

#[test]
fn the_root_of_a_file_is_a_root_certificate() {
    let (net, peers) = network(1);
    let text = file(&net, &peers).to_toml();
    let root = pem::write_certificates([net.tower.trusted().der()]);
    assert!(text.contains(&root));
    for other in [&net.tower.level0, &net.tower.peer] {
        let other = text.replace(&root, &pem::write_certificates([&other.der]));
        let refused = NetworkFile::parse(&other).unwrap_err();
        let NetworkError::Root { place, error } = refused else {
            panic!("{refused:?}")
        };
        assert_eq!(place, line(7));
        assert!(
            matches!(error, CertificateError::Profile { .. }),
            "{error:?}"
        );
    }
    let refused = NetworkFile::parse(&text.replace(&root, "")).unwrap_err();
    assert!(matches!(refused, NetworkError::RootPem { place, .. } if place == line(7)));
}

#[test]
fn members_of_a_file_are_checked_like_added_ones() {
    let (net, peers) = network(2);
    let text = file(&net, &peers).to_toml();
    let place = line(text.lines().count() + 3);
    let refused = |identity: &Identity| {
        let refused = NetworkFile::parse(&with_member(&text, identity)).unwrap_err();
        let NetworkError::Member {
            place: found,
            number: 3,
            fault,
        } = refused
        else {
            panic!("{refused:?}")
        };
        assert_eq!(found, place);
        fault
    };
    let registrar = net.at(&net.member(91, Role::Registrar), "x:1", 1);
    assert_eq!(refused(&registrar), MemberFault::Role(Role::Registrar));
    let stranger = net.uncertified(&net.member(90, Role::Peer));
    assert!(matches!(
        refused(&net.at(&stranger, "x:1", 1)),
        MemberFault::Identity(IdentityError::Holder { .. })
    ));
    let elsewhere = Network {
        overlay: Overlay {
            namespace: "other".parse().unwrap(),
            ..net.overlay.clone()
        },
        ..Network::new()
    };
    assert!(matches!(
        refused(&elsewhere.at(&peers[0], "x:1", 9)),
        MemberFault::Identity(IdentityError::Foreign(_))
    ));
}

#[test]
fn a_key_that_a_file_names_twice_is_one_member() {
    let (net, peers) = network(2);
    let file = file(&net, &peers);
    let newer = net.at(&peers[0], "moved:1", 2);
    let read = NetworkFile::parse(&with_member(&file.to_toml(), &newer)).unwrap();
    assert_eq!(read.members(), [newer, file.members()[1].clone()]);
}

#[test]
fn a_fault_has_the_path_of_its_file_and_the_line() {
    let (net, peers) = network(0);
    let path = Path::new("some/network.toml");
    let text = file(&net, &peers).to_toml();
    let load = |text: String| NetworkFile::load(path, |_| Ok(text)).map(drop);
    let place = |line| Place {
        path: Some(path.to_owned()),
        line,
    };
    let newer = text.replace("version = 1", "version = 2");
    let refused = NetworkError::Version {
        place: place(3),
        found: 2,
    };
    assert_eq!(load(newer), Err(refused));
    let empty = NetworkFile::load(path, |_| Ok(text)).unwrap();
    let refused = NetworkError::Ring {
        place: place(0),
        error: RingError::Empty,
    };
    assert_eq!(empty.view().map(drop), Err(refused));
}

#[test]
fn a_file_that_cannot_be_read_says_why() {
    let path = Path::new("some/network.toml");
    let read = |asked: &Path| {
        assert_eq!(asked, path);
        Err(io::Error::other("device failed"))
    };
    let refused = NetworkError::Read {
        path: path.to_owned(),
        why: "device failed".to_owned(),
    };
    assert_eq!(NetworkFile::load(path, read).map(drop), Err(refused));
}

#[test]
fn a_place_names_its_file_and_its_line() {
    let path = Some(PathBuf::from("some/network.toml"));
    for (path, line, expected) in [
        (path.clone(), 0, "some/network.toml"),
        (path, 7, "some/network.toml, line 7"),
        (None, 0, "network file"),
        (None, 1, "network file, line 1"),
    ] {
        assert_eq!(Place { path, line }.to_string(), expected);
    }
}
