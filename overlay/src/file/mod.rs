//! The network file: the root certificate and the signed addresses of all members.
//!
//! ```toml
//! version = 1
//! namespace = "demo"
//! replicas = 3
//! root = """
//! -----BEGIN CERTIFICATE-----
//! ...
//! -----END CERTIFICATE-----
//! """
//!
//! # peer 3b6a27bcceb6a42d...: grpc 127.0.0.1:4701 quic 127.0.0.1:4702 http 127.0.0.1:4703
//! [[member]]
//! identity = "CqUE..."
//! ```
//!
//! An `identity` is the signed identity in base64url, so that the file itself need not be trusted: a changed address,
//! or a member without a certificate below the root, is refused when the file is read.

mod error;

use std::{
    fmt::{self, Write as _},
    io,
    path::{Path, PathBuf},
};

use data_encoding::BASE64URL_NOPAD;
use kittengrad_proto::{
    certificate::{Role, Root, pem},
    identity::{Identity, IdentityError},
    limits::RING_MEMBERS_MAX,
    namespace::{Namespace, Overlay},
    signed::Ed25519,
};
use kittengrad_ring::Replicas;
use serde::Deserialize;
use toml::Spanned;

use crate::{identities::Identities, view::View};

pub use error::{MemberFault, NetworkError, Place};

/// The version of network files that this program reads and writes.
const VERSION: i64 = 1;

/// A network file: read and verified, or to be written.
#[derive(Debug, Clone)]
pub struct NetworkFile {
    path: Option<PathBuf>,
    overlay: Overlay,
    root: Root,
    replicas: Replicas,
    members: Vec<Identity>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(rename = "version")]
    _version: i64,
    namespace: Spanned<String>,
    replicas: Spanned<u8>,
    root: Spanned<String>,
    #[serde(default)]
    member: Vec<Member>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Member {
    identity: Spanned<String>,
}

/// Read first, so that a newer format is reported as such and not by its first unknown key.
#[derive(Deserialize)]
struct Versioned {
    version: Spanned<i64>,
}

impl NetworkFile {
    /// A network without members.
    #[must_use]
    pub fn new(namespace: Namespace, root: Root, replicas: Replicas) -> Self {
        let overlay = Overlay {
            network: root.network(),
            namespace,
        };
        Self {
            path: None,
            overlay,
            root,
            replicas,
            members: Vec::new(),
        }
    }

    /// Reads and verifies a file. This crate has no disk: pass `std::fs::read_to_string` as `read`.
    ///
    /// # Errors
    /// [`NetworkError`] with file and line.
    pub fn load<'p>(
        path: &'p Path,
        read: impl FnOnce(&'p Path) -> io::Result<String>,
    ) -> Result<Self, NetworkError> {
        let text = read(path).map_err(|error| NetworkError::Read {
            path: path.to_owned(),
            why: error.to_string(),
        })?;
        Self::read(&text, Some(path))
    }

    /// Reads and verifies a text.
    ///
    /// # Errors
    /// [`NetworkError`] with the line.
    pub fn parse(text: &str) -> Result<Self, NetworkError> {
        Self::read(text, None)
    }

    fn read(text: &str, path: Option<&Path>) -> Result<Self, NetworkError> {
        let source = Source { text, path };
        let toml = |e: toml::de::Error| NetworkError::Toml {
            place: source.at(e.span().map_or(0, |span| span.start)),
            why: e.message().to_owned(),
        };
        let version = toml::from_str::<Versioned>(text).map_err(toml)?.version;
        if *version.get_ref() != VERSION {
            let (place, found) = (source.of(&version), *version.get_ref());
            return Err(NetworkError::Version { place, found });
        }
        let document: Document = toml::from_str(text).map_err(toml)?;
        let place = source.of(&document.namespace);
        let namespace = document.namespace.get_ref().parse();
        let namespace = namespace.map_err(|error| NetworkError::Namespace { place, error })?;
        let place = source.of(&document.replicas);
        let replicas = Replicas::new(*document.replicas.get_ref());
        let replicas = replicas.map_err(|error| NetworkError::Replicas { place, error })?;
        let root = read_root(source.of(&document.root), document.root.get_ref())?;

        let mut file = Self {
            path: path.map(Path::to_owned),
            ..Self::new(namespace, root, replicas)
        };
        let count = document.member.len();
        if count > RING_MEMBERS_MAX {
            return Err(NetworkError::TooMany {
                place: file.place(),
                count,
            });
        }
        for (index, member) in document.member.iter().enumerate() {
            let refuse = |fault| {
                let place = source.of(&member.identity);
                NetworkError::Member {
                    place,
                    number: index + 1,
                    fault,
                }
            };
            let bytes = BASE64URL_NOPAD.decode(member.identity.get_ref().as_bytes());
            let bytes = bytes.map_err(|e| refuse(MemberFault::Encoding(e.to_string())))?;
            let identity = Identity::decode(bytes.into(), &file.overlay);
            file.add(identity.map_err(|e| refuse(e.into()))?)
                .map_err(refuse)?;
        }
        Ok(file)
    }

    /// Adds a member after verifying it. Of several identities of a key, the one with the highest seq is kept.
    ///
    /// # Errors
    /// If its certificates do not verify below the root, its role is not listed, or the file is full. The file is
    /// unchanged then.
    pub fn add(&mut self, identity: Identity) -> Result<(), MemberFault> {
        self.check_overlay(&identity)?;
        if !matches!(identity.role, Role::Peer | Role::Aggregator | Role::Indexer) {
            return Err(MemberFault::Role(identity.role));
        }
        identity.verify(&self.root, &Ed25519)?;
        match self
            .members
            .iter()
            .position(|member| member.key == identity.key)
        {
            None if self.members.len() >= RING_MEMBERS_MAX => return Err(MemberFault::Full),
            None => self.members.push(identity),
            Some(index) if self.members[index].rank() < identity.rank() => {
                self.members[index] = identity;
            }
            Some(_) => {}
        }
        Ok(())
    }

    /// Checks that an identity made elsewhere is of this network, by reading its bytes as the network will.
    fn check_overlay(&self, identity: &Identity) -> Result<(), IdentityError> {
        Identity::from_wire(Some(identity.signed().to_wire()), &self.overlay).map(drop)
    }

    /// The ring that the file describes, as a client sees it.
    ///
    /// # Errors
    /// If no peer is in the ring.
    pub fn view(&self) -> Result<View, NetworkError> {
        let identities: Identities = self.members.iter().cloned().collect();
        let view = View::new(self.overlay.clone(), self.replicas, identities);
        view.map_err(|error| NetworkError::Ring {
            place: self.place(),
            error,
        })
    }

    /// Network and namespace.
    #[must_use]
    pub const fn overlay(&self) -> &Overlay {
        &self.overlay
    }

    /// The root certificate.
    #[must_use]
    pub const fn root(&self) -> &Root {
        &self.root
    }

    /// The number of copies of each set.
    #[must_use]
    pub const fn replicas(&self) -> Replicas {
        self.replicas
    }

    /// The members in the order of the file, each key once.
    #[must_use]
    pub fn members(&self) -> &[Identity] {
        &self.members
    }

    /// The file as text; [`NetworkFile::parse`] reads it.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let mut out = String::new();
        self.write(&mut out)
            .expect("writing to a string does not fail");
        out
    }

    fn write(&self, out: &mut String) -> fmt::Result {
        writeln!(
            out,
            "# Everything that a member or client needs to find the others. Identities are signed by their members,\n\
             # whose certificates hang on the root: change nothing by hand, `kittengrad network add` does it.\n\
             version = {VERSION}\n\
             namespace = \"{}\"\n\
             # Copies of each set.\n\
             replicas = {}\n\
             root = \"\"\"\n{}\"\"\"",
            self.overlay.namespace,
            self.replicas.get(),
            pem::write_certificates([self.root.der()]),
        )?;
        self.members
            .iter()
            .try_for_each(|member| write_member(out, member))
    }

    fn place(&self) -> Place {
        Place {
            path: self.path.clone(),
            line: 0,
        }
    }
}

fn write_member(out: &mut String, member: &Identity) -> fmt::Result {
    let addresses = &member.addresses;
    write!(out, "\n# {} {}:", member.role, member.key)?;
    for (name, address) in [
        ("grpc", &addresses.grpc),
        ("quic", &addresses.quic),
        ("http", &addresses.http),
    ] {
        if !address.is_empty() {
            // Escaped, because a member chose it, and a line break would end the comment.
            write!(out, " {name} {}", address.escape_default())?;
        }
    }
    let identity = BASE64URL_NOPAD.encode(&member.signed().encode());
    writeln!(out, "\n[[member]]\nidentity = \"{identity}\"")
}

fn read_root(place: Place, text: &str) -> Result<Root, NetworkError> {
    let mut ders = match pem::read_certificates(text.as_bytes()) {
        Ok(ders) => ders,
        Err(e) => {
            return Err(NetworkError::RootPem {
                place,
                why: e.to_string(),
            });
        }
    };
    match (ders.pop(), ders.len()) {
        (Some(der), 0) => Root::from_der(der).map_err(|error| NetworkError::Root { place, error }),
        (_, others) => {
            let why = format!("it has {} certificates, it must have one", others + 1);
            Err(NetworkError::RootPem { place, why })
        }
    }
}

/// A text and its file.
struct Source<'a> {
    text: &'a str,
    path: Option<&'a Path>,
}

impl Source<'_> {
    fn at(&self, byte: usize) -> Place {
        let before = self.text.as_bytes().iter().take(byte);
        let line = before.filter(|&&b| b == b'\n').count() + 1;
        Place {
            path: self.path.map(Path::to_owned),
            line,
        }
    }

    fn of<T>(&self, value: &Spanned<T>) -> Place {
        self.at(value.span().start)
    }
}
