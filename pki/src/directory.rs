//! A certificate authority as a folder, and the folders of the credentials that it issues.
//!
//! ```text
//! ca/root.pem       ca/level0.pem   ca/registrar.pem      certificates, 0644
//! ca/root.key       ca/level0.key   ca/registrar.key      keys, 0600; root.key can be put away
//!
//! out/key.pem       private key, 0600
//! out/root.pem      the network's root certificate
//! out/chain.pem     leaf first, Level-0 last; written last, so that where it is the others are
//! ```

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    time::Duration,
};

use kittengrad_proto::{
    certificate::{Chain, Holder, Role, Root, pem::write_certificates},
    id::Id,
    signed::{Ed25519, Signer, SigningKey},
};
use thiserror::Error;

use crate::{
    authority::{Authority, AuthorityError, Parts, Request},
    credentials::{
        Credentials, CredentialsError, Paths, read_certificate, read_chain, read_key, read_root,
    },
    files::{self, FileError, PUBLIC, SECRET},
    key_file::{generate_key, write_key},
};

/// Why the folder of an authority or of credentials cannot be used.
#[derive(Debug, Error)]
pub enum DirectoryError {
    /// The system refused. The state of the file is in the error.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file is invalid. Nothing changed.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// A certificate could not be made, or the authority's own are wrong. Nothing changed.
    #[error("certificate authority: {0}")]
    Authority(#[from] AuthorityError),
    /// There is no authority in the folder. Nothing changed.
    #[error("{dir} has no certificate authority; `kittengrad ca init` creates one")]
    NoAuthority {
        /// The folder.
        dir: PathBuf,
    },
    /// The folder has other files. Nothing changed.
    #[error("{dir} is not empty and has no certificate authority; choose another folder")]
    NotEmpty {
        /// The folder.
        dir: PathBuf,
    },
    /// The folder has an authority of another name. Nothing changed.
    #[error("{dir} has the certificate authority {found:?}, not {wanted:?}")]
    OtherAuthority {
        /// The folder.
        dir: PathBuf,
        /// Name of its root.
        found: String,
        /// Name of the requested root.
        wanted: String,
    },
    /// The folder has credentials. Nothing changed.
    #[error(
        "{dir} already has credentials; choose another folder, or renew them with --key {dir}/key.pem"
    )]
    AlreadyAdmitted {
        /// The folder.
        dir: PathBuf,
    },
    /// The folder has credentials of another role. Nothing changed.
    #[error("{dir} has credentials of a {found}, not of a {wanted}; choose another folder")]
    OtherRole {
        /// The folder.
        dir: PathBuf,
        /// Their role.
        found: Role,
        /// The requested role.
        wanted: Role,
    },
    /// The folder has credentials of another network. Nothing changed.
    #[error("{path} is the root of network {found}; this authority is of {wanted}")]
    OtherNetwork {
        /// The root file.
        path: PathBuf,
        /// Their network.
        found: Id,
        /// The network of this authority.
        wanted: Id,
    },
    /// The key given is not the one in the folder. Nothing changed.
    #[error("{path} has another key than the one to certify")]
    OtherKey {
        /// The key file.
        path: PathBuf,
    },
}

/// A request for a new authority.
#[derive(Debug, Clone)]
pub struct InitOptions {
    /// Name of the network: the root is "`name` root". At most
    /// [`NETWORK_NAME_BYTES_MAX`](crate::authority::NETWORK_NAME_BYTES_MAX) bytes.
    pub name: String,
    /// Unix time in milliseconds.
    pub now_ms: u64,
}

/// An authority, and whether it was just created.
#[derive(Debug, Clone)]
pub struct Initialised {
    /// The authority.
    pub authority: Authority,
    /// False if it existed under the same name.
    pub is_new: bool,
}

/// A request for credentials.
#[derive(Debug, Clone)]
pub struct Admission<'a> {
    /// The role.
    pub role: Role,
    /// Common name of the subject.
    pub name: &'a str,
    /// Validity from now on; see [`default_validity`](crate::authority::default_validity).
    pub validity: Duration,
    /// A key to certify: to renew credentials, or one made elsewhere. Without it, a new key is made.
    pub existing_key: Option<SigningKey>,
    /// Unix time in milliseconds.
    pub now_ms: u64,
}

/// Credentials that were written to files.
#[derive(Debug, Clone)]
pub struct Admitted {
    /// The credentials.
    pub credentials: Credentials,
    /// Their files.
    pub paths: Paths,
}

impl Authority {
    /// Creates an authority in `dir`, completely or not at all. An existing one of the same name is opened.
    ///
    /// # Errors
    /// If `dir` has other files, the name is invalid, or the system refuses.
    pub fn init(dir: &Path, options: &InitOptions) -> Result<Initialised, DirectoryError> {
        if holds_authority(dir) {
            let authority = Self::open(dir)?;
            let (found, wanted) = (authority.root().name(), format!("{} root", options.name));
            if found != wanted {
                let found = found.to_owned();
                return Err(DirectoryError::OtherAuthority {
                    dir: dir.to_owned(),
                    found,
                    wanted,
                });
            }
            return Ok(Initialised {
                authority,
                is_new: false,
            });
        }
        if fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(DirectoryError::NotEmpty {
                dir: dir.to_owned(),
            });
        }
        let (authority, root_key) = Self::generate(&options.name, options.now_ms)?;
        fs::create_dir_all(files::parent(dir))
            .map_err(FileError::on("create", files::parent(dir)))?;
        let draft = files::beside(dir)?;
        let done = write_authority(&draft, &authority.to_parts(), &root_key).and_then(|()| {
            // Replaces an empty folder. It fails if another process has put a file there.
            fs::rename(&draft, dir).map_err(FileError::on("create", dir))
        });
        if done.is_err() {
            // The first error is returned; the draft may remain.
            let _ = fs::remove_dir_all(&draft);
        }
        done?;
        files::sync_folder(files::parent(dir))?;
        Ok(Initialised {
            authority,
            is_new: true,
        })
    }

    /// Opens the authority in `dir`. The root key is not needed and not read.
    ///
    /// # Errors
    /// If there is no authority, or a file is missing or invalid.
    pub fn open(dir: &Path) -> Result<Self, DirectoryError> {
        if !holds_authority(dir) {
            return Err(DirectoryError::NoAuthority {
                dir: dir.to_owned(),
            });
        }
        Ok(Self::from_parts(Parts {
            root: read_root(&dir.join(ROOT))?.der().clone(),
            level0: read_certificate(&dir.join(LEVEL0))?,
            level0_key: read_key(&dir.join(LEVEL0_KEY))?,
            registrar: read_certificate(&dir.join(REGISTRAR))?,
            registrar_key: read_key(&dir.join(REGISTRAR_KEY))?,
        })?)
    }

    /// Certifies a key and writes key, chain and root into `out_dir`, which is created if needed.
    ///
    /// An interrupted call can be repeated: it uses a key without a chain. For credentials of the same key and role it
    /// is a renewal, and the new certificate begins when the old one did.
    ///
    /// # Errors
    /// If there are credentials of another key, network or role, or the certificate cannot be made or written.
    pub fn admit(
        &self,
        admission: &Admission<'_>,
        out_dir: &Path,
    ) -> Result<Admitted, DirectoryError> {
        let paths = Paths::in_dir(out_dir);
        let (key, chain, _) = self.certify_for(admission, &paths, out_dir)?;

        create_private(out_dir)?;
        if !paths.key.exists() {
            files::replace(&paths.key, write_key(&key).as_bytes(), SECRET)?;
        }
        let root = write_certificates([self.root().der()]);
        files::replace(&paths.root, root.as_bytes(), PUBLIC)?;
        files::replace(
            &paths.chain,
            write_certificates(chain.certificates()).as_bytes(),
            PUBLIC,
        )?;
        files::sync_folder(files::parent(out_dir))?;
        let credentials = Credentials::new(key, chain, self.root().clone())?;
        Ok(Admitted { credentials, paths })
    }

    /// The holder that [`Authority::admit`] would certify now. Writes nothing. A key that would be made is different
    /// each time.
    ///
    /// # Errors
    /// The errors of [`Authority::admit`], except errors that only writing shows.
    pub fn preview(
        &self,
        admission: &Admission<'_>,
        out_dir: &Path,
    ) -> Result<Holder, DirectoryError> {
        let paths = Paths::in_dir(out_dir);
        let (_, _, holder) = self.certify_for(admission, &paths, out_dir)?;
        Ok(holder)
    }

    /// The key, its chain and their holder, if the files in the folder allow it.
    fn certify_for(
        &self,
        admission: &Admission<'_>,
        paths: &Paths,
        out_dir: &Path,
    ) -> Result<(SigningKey, Chain, Holder), DirectoryError> {
        if paths.root.exists() {
            let (found, wanted) = (read_root(&paths.root)?.network(), self.root().network());
            if found != wanted {
                return Err(DirectoryError::OtherNetwork {
                    path: paths.root.clone(),
                    found,
                    wanted,
                });
            }
        }
        let before = admitted_before(paths, self.root());
        if let Some(before) = before
            .as_ref()
            .filter(|before| before.role != admission.role)
        {
            return Err(DirectoryError::OtherRole {
                dir: out_dir.to_owned(),
                found: before.role,
                wanted: admission.role,
            });
        }
        let key = key_to_certify(paths, admission.existing_key.as_ref(), out_dir)?;
        let request = Request {
            role: admission.role,
            name: admission.name,
            key: &key.public(),
            validity: admission.validity,
            now_ms: admission.now_ms,
        };
        let (chain, holder) = match before {
            Some(before) => self.renew(&request, &before)?,
            None => self.certify(&request)?,
        };
        Ok((key, chain, holder))
    }
}

/// The holder of the chain that will be replaced. A damaged chain has none.
fn admitted_before(paths: &Paths, root: &Root) -> Option<Holder> {
    let chain = read_chain(&paths.chain).ok()?;
    chain.verify(root, &Ed25519).ok()
}

/// The key given, the one of an interrupted admission, or a new one.
fn key_to_certify(
    paths: &Paths,
    given: Option<&SigningKey>,
    out_dir: &Path,
) -> Result<SigningKey, DirectoryError> {
    let Some(given) = given else {
        if paths.chain.exists() {
            return Err(DirectoryError::AlreadyAdmitted {
                dir: out_dir.to_owned(),
            });
        }
        if paths.key.exists() {
            return Ok(read_key(&paths.key)?);
        }
        return Ok(generate_key().map_err(AuthorityError::from)?);
    };
    if paths.key.exists() && read_key(&paths.key)?.public() != given.public() {
        return Err(DirectoryError::OtherKey {
            path: paths.key.clone(),
        });
    }
    Ok(given.clone())
}

fn holds_authority(dir: &Path) -> bool {
    dir.join(ROOT).exists()
}

fn write_authority(dir: &Path, parts: &Parts, root_key: &SigningKey) -> Result<(), FileError> {
    create_private(dir)?;
    for (name, der) in [
        (ROOT, &parts.root),
        (LEVEL0, &parts.level0),
        (REGISTRAR, &parts.registrar),
    ] {
        files::create(
            &dir.join(name),
            write_certificates([der]).as_bytes(),
            PUBLIC,
        )?;
    }
    let keys = [
        (ROOT_KEY, root_key),
        (LEVEL0_KEY, &parts.level0_key),
        (REGISTRAR_KEY, &parts.registrar_key),
    ];
    for (name, key) in keys {
        files::create(&dir.join(name), write_key(key).as_bytes(), SECRET)?;
    }
    files::sync_folder(dir)
}

/// Creates a folder that only its owner may enter. An existing one stays as it is.
fn create_private(dir: &Path) -> Result<(), FileError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
    match made {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && dir.is_dir() => Ok(()),
        other => other.map_err(FileError::on("create", dir)),
    }
}

const ROOT: &str = "root.pem";
const ROOT_KEY: &str = "root.key";
const LEVEL0: &str = "level0.pem";
const LEVEL0_KEY: &str = "level0.key";
const REGISTRAR: &str = "registrar.pem";
const REGISTRAR_KEY: &str = "registrar.key";
