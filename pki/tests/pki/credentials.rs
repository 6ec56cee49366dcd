//! Loading credentials: the errors about wrong or missing files.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use kittengrad_pki::{
    authority::{Authority, default_validity},
    credentials::{Credentials, CredentialsError, Paths, Warning},
    directory::Admission,
    key_file::{generate_key, write_key},
};
use kittengrad_proto::certificate::Role;
use kittengrad_support::{
    authority::{admit_at, authority_at},
    clock::{DAY_MS, HOUR_MS, NOW_MS},
};
use tempfile::TempDir;

/// A folder with the credentials of a peer of `authority`.
fn admitted(authority: &Authority) -> (TempDir, Paths) {
    let temp = tempfile::tempdir().unwrap();
    let role = Role::Peer;
    let validity = default_validity(role);
    let admission = Admission {
        role,
        name: "Tate",
        validity,
        existing_key: None,
        now_ms: NOW_MS,
    };
    let paths = authority.admit(&admission, temp.path()).unwrap().paths;
    (temp, paths)
}

/// Every file of one holder's credentials.
const FILES: [fn(&Paths) -> PathBuf; 3] = [
    |paths| paths.key.clone(),
    |paths| paths.chain.clone(),
    |paths| paths.root.clone(),
];

fn load(paths: &Paths) -> Result<Vec<Warning>, CredentialsError> {
    Credentials::load(paths, Role::Peer, NOW_MS).map(|loaded| loaded.warnings)
}

#[test]
fn a_missing_file_is_named_with_the_command_that_makes_it() {
    for pick in FILES {
        let (_temp, paths) = admitted(&authority_at(NOW_MS));
        let path = pick(&paths);
        fs::remove_file(&path).unwrap();
        let expected = format!(
            "{} does not exist; `kittengrad ca admit --role peer` writes it",
            path.display()
        );
        assert_eq!(load(&paths).unwrap_err().to_string(), expected);
    }
}

#[test]
fn a_damaged_file_is_named() {
    for pick in FILES {
        let (_temp, paths) = admitted(&authority_at(NOW_MS));
        let path = pick(&paths);
        let text = fs::read_to_string(&path).unwrap();
        for damaged in [
            String::new(),
            text.replace("-----END", "-----"),
            text.replacen("\nM", "\nN", 1),
        ] {
            fs::write(&path, damaged).unwrap();
            let error = load(&paths).unwrap_err().to_string();
            assert!(error.starts_with(&path.display().to_string()), "{error}");
        }
    }
}

#[test]
fn a_key_of_somebody_else_is_refused_with_both_names() {
    let (_temp, paths) = admitted(&authority_at(NOW_MS));
    fs::write(&paths.key, write_key(&generate_key().unwrap()).as_bytes()).unwrap();
    let error = load(&paths).unwrap_err();
    assert!(
        matches!(error, CredentialsError::OtherKey { .. }),
        "{error}"
    );
    assert!(error.to_string().contains(paths.chain.to_str().unwrap()));
}

#[test]
fn a_chain_of_another_network_is_refused() {
    let (_temp, paths) = admitted(&authority_at(NOW_MS));
    let (_other, foreign) = admitted(&authority_at(NOW_MS));
    let mixed = Paths {
        root: foreign.root,
        ..paths
    };
    assert!(matches!(
        load(&mixed),
        Err(CredentialsError::Certificate { .. })
    ));
    let chain_as_root = Paths {
        root: mixed.chain.clone(),
        ..mixed
    };
    assert!(matches!(
        load(&chain_as_root),
        Err(CredentialsError::Several { count: 2, .. })
    ));
}

#[test]
fn credentials_of_another_network_name_both_and_the_folder() {
    let held = admit_at(NOW_MS, &authority_at(NOW_MS), Role::Peer);
    let network = held.root().network();
    held.check_network(network, None).unwrap();
    let other = authority_at(NOW_MS).root().network();
    let folder = Path::new("peers/1");
    let error = held
        .check_network(other, Some(folder))
        .unwrap_err()
        .to_string();
    for word in ["peers/1", &network.to_string(), &other.to_string()] {
        assert!(error.contains(word), "{error}");
    }
}

#[test]
fn another_role_is_refused() {
    let (_temp, paths) = admitted(&authority_at(NOW_MS));
    let error = Credentials::load(&paths, Role::Aggregator, NOW_MS)
        .unwrap_err()
        .to_string();
    assert!(
        error.ends_with("\"Tate\" is certified as peer, not as aggregator"),
        "{error}"
    );
}

#[test]
fn expired_credentials_say_since_when_and_what_to_do() {
    let (_temp, paths) = admitted(&authority_at(NOW_MS));
    let later = NOW_MS + 731 * DAY_MS;
    let error = Credentials::load(&paths, Role::Peer, later)
        .unwrap_err()
        .to_string();
    let chain = paths.chain.display();
    assert_eq!(
        error,
        format!(
            "certificates of \"Tate\" in {chain} expired 2028-09-20 14:13 UTC; \
             `kittengrad ca admit --role peer` with the same key renews them"
        ),
    );
}

#[test]
fn credentials_of_the_future_ask_for_the_clock() {
    let (_temp, paths) = admitted(&authority_at(NOW_MS));
    let error = Credentials::load(&paths, Role::Peer, NOW_MS - 2 * HOUR_MS).unwrap_err();
    assert!(matches!(error, CredentialsError::NotYetValid { .. }));
    assert!(error.to_string().ends_with("check the clock"), "{error}");
}

#[test]
fn an_open_key_file_and_a_near_end_are_told_and_not_refused() {
    let (_temp, paths) = admitted(&authority_at(NOW_MS));
    assert_eq!(load(&paths).unwrap(), []);
    fs::set_permissions(&paths.key, fs::Permissions::from_mode(0o644)).unwrap();
    let open = Warning::OpenKey {
        path: paths.key.clone(),
        mode: 0o644,
    };
    assert_eq!(load(&paths).unwrap(), [open]);
    fs::set_permissions(&paths.key, fs::Permissions::from_mode(0o600)).unwrap();
    let late = NOW_MS + 710 * DAY_MS;
    let warnings = Credentials::load(&paths, Role::Peer, late)
        .unwrap()
        .warnings;
    assert!(
        matches!(&warnings[..], [Warning::EndsSoon { .. }]),
        "{warnings:?}"
    );
}

#[test]
fn a_validity_beyond_all_calendars_is_cut_at_the_issuers_end() {
    let authority = authority_at(NOW_MS);
    let temp = tempfile::tempdir().unwrap();
    let admission = Admission {
        role: Role::Peer,
        name: "Tate",
        validity: Duration::MAX,
        existing_key: None,
        now_ms: NOW_MS,
    };
    let admitted = authority.admit(&admission, temp.path()).unwrap();
    assert_eq!(
        admitted.credentials.holder().not_after_ms,
        NOW_MS + 3_650 * DAY_MS
    );
}
