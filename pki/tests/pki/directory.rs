//! The folders of an authority and of those it admits.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use kittengrad_pki::{
    authority::{Authority, Request, default_validity},
    credentials::{Credentials, Paths, read_key},
    directory::{Admission, DirectoryError, InitOptions},
    key_file::generate_key,
};
use kittengrad_proto::{certificate::Role, signed::Signer};
use kittengrad_support::clock::{DAY_MS, NOW_MS};

fn init(dir: &Path, name: &str) -> Result<(Authority, bool), DirectoryError> {
    let options = InitOptions {
        name: name.to_owned(),
        now_ms: NOW_MS,
    };
    Authority::init(dir, &options).map(|made| (made.authority, made.is_new))
}

fn admission(role: Role) -> Admission<'static> {
    let validity = default_validity(role);
    Admission {
        role,
        name: "Tate",
        validity,
        existing_key: None,
        now_ms: NOW_MS,
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = entries.collect();
    names.sort();
    names
}

#[test]
fn an_authority_is_made_once_and_opened_from_then_on() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("some/where/ca");
    let (made, is_new) = init(&dir, "Sample").unwrap();
    assert!(is_new);
    let all = [
        "level0.key",
        "level0.pem",
        "registrar.key",
        "registrar.pem",
        "root.key",
        "root.pem",
    ];
    assert_eq!(names(&dir), all);
    assert_eq!(names(dir.parent().unwrap()), ["ca"]);
    assert_eq!(mode(&dir), 0o700);
    for name in all.into_iter().filter(|name| name.ends_with(".key")) {
        assert_eq!(mode(&dir.join(name)), 0o600, "{name}");
    }

    let (again, is_new) = init(&dir, "Sample").unwrap();
    assert!(!is_new);
    assert_eq!(again.root(), made.root());
    assert_eq!(Authority::open(&dir).unwrap().root(), made.root());
    let refused = init(&dir, "Another").unwrap_err();
    assert!(
        matches!(&refused, DirectoryError::OtherAuthority { found, .. } if found == "Sample root")
    );
    assert_eq!(Authority::open(&dir).unwrap().root(), made.root());
}

#[test]
fn only_an_empty_folder_becomes_an_authority() {
    let temp = tempfile::tempdir().unwrap();
    assert!(init(temp.path(), "Sample").unwrap().1);

    let temp = tempfile::tempdir().unwrap();
    fs::write(temp.path().join("notes.txt"), "mine").unwrap();
    let refused = init(temp.path(), "Sample").unwrap_err();
    assert!(
        matches!(refused, DirectoryError::NotEmpty { .. }),
        "{refused}"
    );
    assert_eq!(names(temp.path()), ["notes.txt"]);
}

#[test]
fn an_authority_that_cannot_be_made_leaves_nothing() {
    let temp = tempfile::tempdir().unwrap();
    assert!(init(&temp.path().join("ca"), "bad\nname").is_err());
    let file = temp.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(init(&file, "Sample").is_err());
    assert!(init(&file.join("ca"), "Sample").is_err());
    assert_eq!(names(temp.path()), ["file"]);
}

#[test]
fn an_authority_works_without_its_root_key() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("ca");
    init(&dir, "Sample").unwrap();
    fs::remove_file(dir.join("root.key")).unwrap();
    let authority = Authority::open(&dir).unwrap();
    authority
        .admit(&admission(Role::Peer), &temp.path().join("peer"))
        .unwrap();
}

#[test]
fn a_missing_or_damaged_authority_says_which_file() {
    let temp = tempfile::tempdir().unwrap();
    let missing = Authority::open(temp.path()).unwrap_err().to_string();
    assert!(missing.contains("`kittengrad ca init`"), "{missing}");

    let dir = temp.path().join("ca");
    init(&dir, "Sample").unwrap();
    for name in ["level0.pem", "registrar.key", "root.pem"] {
        let path = dir.join(name);
        let before = fs::read(&path).unwrap();
        fs::write(&path, "noise").unwrap();
        let error = Authority::open(&dir).unwrap_err().to_string();
        assert!(error.starts_with(path.to_str().unwrap()), "{error}");
        fs::write(&path, before).unwrap();
    }
    assert!(Authority::open(&dir).is_ok());
}

#[test]
fn whoever_is_admitted_can_load_what_was_written() {
    let temp = tempfile::tempdir().unwrap();
    let (authority, _) = init(&temp.path().join("ca"), "Sample").unwrap();
    for role in Role::ALL {
        let dir = temp.path().join(role.as_str()).join("credentials");
        let admitted = authority.admit(&admission(role), &dir).unwrap();
        assert_eq!(names(&dir), ["chain.pem", "key.pem", "root.pem"]);
        assert_eq!(mode(&admitted.paths.key), 0o600);
        let loaded = Credentials::load(&Paths::in_dir(&dir), role, NOW_MS).unwrap();
        assert_eq!(loaded.warnings, []);
        assert_eq!(loaded.credentials.holder(), admitted.credentials.holder());
        assert_eq!(
            loaded.credentials.key().public(),
            loaded.credentials.holder().key
        );
        assert_eq!(loaded.credentials.root(), authority.root());
    }
}

#[test]
fn nobody_is_admitted_over_somebody_else() {
    let temp = tempfile::tempdir().unwrap();
    let (authority, _) = init(&temp.path().join("ca"), "Sample").unwrap();
    let dir = temp.path().join("peer");
    let first = authority.admit(&admission(Role::Peer), &dir).unwrap();
    let refused = authority.admit(&admission(Role::Peer), &dir).unwrap_err();
    assert!(
        matches!(refused, DirectoryError::AlreadyAdmitted { .. }),
        "{refused}"
    );

    let stranger = Admission {
        existing_key: Some(generate_key().unwrap()),
        ..admission(Role::Peer)
    };
    let refused = authority.admit(&stranger, &dir).unwrap_err();
    assert!(
        matches!(refused, DirectoryError::OtherKey { .. }),
        "{refused}"
    );

    let other_role = Admission {
        existing_key: Some(first.credentials.key().clone()),
        ..admission(Role::Client)
    };
    let refused = authority.admit(&other_role, &dir).unwrap_err();
    assert!(
        matches!(refused, DirectoryError::OtherRole { .. }),
        "{refused}"
    );

    let (foreign, _) = init(&temp.path().join("another"), "Another").unwrap();
    let own = Admission {
        existing_key: Some(first.credentials.key().clone()),
        ..admission(Role::Peer)
    };
    let refused = foreign.admit(&own, &dir).unwrap_err();
    assert!(
        matches!(refused, DirectoryError::OtherNetwork { .. }),
        "{refused}"
    );
    for refused in [&stranger, &other_role, &admission(Role::Peer)] {
        assert!(
            authority.preview(refused, &dir).is_err(),
            "a preview says so too"
        );
    }

    let loaded = Credentials::load(&Paths::in_dir(&dir), Role::Peer, NOW_MS).unwrap();
    assert_eq!(loaded.credentials.chain(), first.credentials.chain());
}

#[test]
fn a_preview_says_who_would_be_admitted_and_writes_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let (authority, _) = init(&temp.path().join("ca"), "Sample").unwrap();
    let dir = temp.path().join("peer");
    let would = authority.preview(&admission(Role::Peer), &dir).unwrap();
    assert_eq!(names(temp.path()), ["ca"]);
    let admitted = authority.admit(&admission(Role::Peer), &dir).unwrap();
    let is = admitted.credentials.holder();
    assert_eq!(
        (would.role, &would.name, would.not_after_ms),
        (is.role, &is.name, is.not_after_ms)
    );
    let nameless = Admission {
        name: "",
        ..admission(Role::Peer)
    };
    assert!(
        authority
            .preview(&nameless, &temp.path().join("other"))
            .is_err()
    );
}

#[test]
fn credentials_are_renewed_with_their_key() {
    let temp = tempfile::tempdir().unwrap();
    let (authority, _) = init(&temp.path().join("ca"), "Sample").unwrap();
    let dir = temp.path().join("peer");
    let first = authority.admit(&admission(Role::Peer), &dir).unwrap();
    let renewal = Admission {
        existing_key: Some(read_key(&first.paths.key).unwrap()),
        now_ms: NOW_MS + 600 * DAY_MS,
        ..admission(Role::Peer)
    };
    let second = authority.admit(&renewal, &dir).unwrap();
    assert_eq!(
        second.credentials.holder().key,
        first.credentials.holder().key
    );
    assert_eq!(
        second.credentials.holder().not_after_ms,
        first.credentials.holder().not_after_ms + 600 * DAY_MS,
    );
    assert_eq!(
        second.credentials.holder().not_before_ms,
        first.credentials.holder().not_before_ms,
        "what was signed before verifies with the new certificate too"
    );
    assert_eq!(names(&dir), ["chain.pem", "key.pem", "root.pem"]);
}

#[test]
fn a_key_that_changes_its_role_is_in_force_from_now_on_only() {
    let temp = tempfile::tempdir().unwrap();
    let (authority, _) = init(&temp.path().join("ca"), "Sample").unwrap();
    let dir = temp.path().join("peer");
    let first = authority.admit(&admission(Role::Peer), &dir).unwrap();
    let before = first.credentials.holder();
    let Admission { name, validity, .. } = admission(Role::Aggregator);
    let request = Request {
        role: Role::Aggregator,
        name,
        key: &before.key,
        validity,
        now_ms: NOW_MS + DAY_MS,
    };
    let (_, changed) = authority.renew(&request, before).unwrap();
    assert_eq!(changed.not_before_ms, before.not_before_ms + DAY_MS);
}

#[test]
fn an_interrupted_admission_goes_on_with_the_key_it_had_made() {
    let temp = tempfile::tempdir().unwrap();
    let (authority, _) = init(&temp.path().join("ca"), "Sample").unwrap();
    let dir = temp.path().join("peer");
    let paths = authority.admit(&admission(Role::Peer), &dir).unwrap().paths;
    let key = read_key(&paths.key).unwrap().public();
    fs::remove_file(&paths.chain).unwrap();
    let again = authority.admit(&admission(Role::Peer), &dir).unwrap();
    assert_eq!(again.credentials.holder().key, key);
}

#[test]
fn a_refused_admission_writes_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let (authority, _) = init(&temp.path().join("ca"), "Sample").unwrap();
    let dir = temp.path().join("peer");
    let unfit = Admission {
        name: "",
        ..admission(Role::Peer)
    };
    assert!(matches!(
        authority.admit(&unfit, &dir),
        Err(DirectoryError::Authority(_))
    ));
    assert!(!dir.exists());
}

#[test]
fn a_name_that_is_unfit_makes_no_authority_and_no_folder() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("ca");
    for name in ["", "a\nb", &"n".repeat(60)] {
        let refused = init(&dir, name).unwrap_err();
        assert!(matches!(refused, DirectoryError::Authority(_)), "{refused}");
        assert!(!dir.exists());
    }
}
