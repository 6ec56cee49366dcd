//! `kittengrad network`: the network file, which lists the members.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, bail};
use clap::Subcommand;
use kittengrad_overlay::file::NetworkFile;
use kittengrad_pki::{
    credentials::{Credentials, Paths, read_root},
    files::{PUBLIC, parent, replace},
};
use kittengrad_proto::{
    certificate::Role,
    id::PublicKey,
    identity::{Addresses, Identity, IdentityFields, State},
    namespace::Namespace,
};
use kittengrad_ring::Replicas;
use kittengrad_service::clock::unix_ms;
use serde_json::json;

use super::http::parse_address;
use crate::{
    global::Global,
    output::{self, Usage},
};

/// Commands about the network file.
#[derive(Debug, Subcommand)]
pub(crate) enum NetworkCommand {
    /// Create the file of a new network
    #[command(after_help = "Examples:\n  \
        kittengrad network make --root ca/root.pem --namespace works --out network.toml")]
    Make {
        /// Root certificate of the network
        #[arg(long, default_value = "ca/root.pem", value_name = "PEM")]
        root: PathBuf,
        /// Name of the key space: lower-case letters, digits and hyphens
        #[arg(long)]
        namespace: Namespace,
        /// Copies of each set, an odd number
        #[arg(long, default_value_t = 3, value_parser = parse_replicas)]
        replicas: u8,
        /// File to write; must not exist
        #[arg(long, default_value = "network.toml", value_name = "FILE")]
        out: PathBuf,
    },
    /// Add a peer, an aggregator or an indexer, or change its addresses
    #[command(after_help = "Examples:\n  \
        kittengrad network add --credentials peers/1 --role peer \\\n      \
        --grpc 10.0.0.1:7001 --quic 10.0.0.1:7002 --http 127.0.0.1:7003\n\n\
        The entry is signed with the member's key. Addresses that are omitted keep their values.\n\
        Every process of the network needs the same file.")]
    Add {
        /// The network file
        #[arg(long, default_value = "network.toml", value_name = "FILE")]
        network: PathBuf,
        /// Folder with key.pem, chain.pem and root.pem of the member
        #[arg(long, value_name = "DIR")]
        credentials: PathBuf,
        /// Role of its certificate: peer, aggregator or indexer
        #[arg(long, default_value = "peer")]
        role: Role,
        /// host:port of gRPC, for peers and aggregators
        #[arg(long, value_parser = parse_address)]
        grpc: Option<String>,
        /// host:port of QUIC, for peers
        #[arg(long, value_parser = parse_address)]
        quic: Option<String>,
        /// host:port of HTTP; an aggregator without one needs `listen.http` in its configuration
        #[arg(long, value_parser = parse_address)]
        http: Option<String>,
        /// Print the changes without making them
        #[arg(long)]
        dry_run: bool,
    },
}

fn parse_replicas(text: &str) -> Result<u8, String> {
    let number: u8 = text
        .parse()
        .map_err(|_| format!("{text:?} is not an odd number from 1 to 255"))?;
    Replicas::new(number)
        .map(|_| number)
        .map_err(|e| e.to_string())
}

/// Runs a command about the network file.
pub(crate) fn run(command: NetworkCommand, global: &Global) -> anyhow::Result<ExitCode> {
    match command {
        NetworkCommand::Make {
            root,
            namespace,
            replicas,
            out,
        } => {
            if out.exists() {
                bail!(
                    "{} exists; add to it with `kittengrad network add`, or choose another --out",
                    out.display()
                );
            }
            let replicas = Replicas::new(replicas).map_err(|e| anyhow::anyhow!("{e}"))?;
            let file = NetworkFile::new(namespace, read_root(&root)?, replicas);
            write(&out, &file)?;
            output::say(&format!(
                "wrote {}; add members with `kittengrad network add`",
                out.display()
            ));
            if global.json {
                output::json(&json!({"file": out, "network": file.overlay().network.to_string()}))?;
            }
        }
        NetworkCommand::Add {
            network,
            credentials,
            role,
            grpc,
            quic,
            http,
            dry_run,
        } => {
            let _one_at_a_time = lock_beside(&network)?;
            let mut file = NetworkFile::load(&network, fs::read_to_string)?;
            let loaded = Credentials::load(&Paths::in_dir(&credentials), role, unix_ms())?;
            let key = loaded.credentials.holder().key;
            let known = file.members().iter().find(|member| member.key == key);
            let known = known.map_or_else(Addresses::default, |member| member.addresses.clone());
            let unused = unused(role);
            check_unused(role, grpc.as_deref(), quic.as_deref())?;
            let of = |given: Option<String>, name, known| {
                given.unwrap_or_else(|| {
                    if unused.contains(&name) {
                        String::new()
                    } else {
                        known
                    }
                })
            };
            let addresses = Addresses {
                grpc: of(grpc, "--grpc", known.grpc),
                quic: of(quic, "--quic", known.quic),
                http: of(http, "--http", known.http),
            };
            check_addresses(role, &addresses)?;
            check_apart(&file, key, &addresses)?;
            let identity = sign(&file, &loaded.credentials, role, addresses)?;
            file.add(identity)
                .with_context(|| format!("cannot add {role} {key}"))?;
            if dry_run {
                output::say(&format!("would add {role} {key} to {}", network.display()));
            } else {
                write(&network, &file)?;
                output::say(&format!("{role} {key} is in {}", network.display()));
            }
            if global.json {
                output::json(&json!({
                    "id": key.to_string(),
                    "role": role.as_str(),
                    "file": network,
                    "dry_run": dry_run,
                }))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A member's signed identity, newer than the one in the file.
pub(crate) fn sign(
    file: &NetworkFile,
    credentials: &Credentials,
    role: Role,
    addresses: Addresses,
) -> anyhow::Result<Identity> {
    let key = credentials.holder().key;
    let known = file.members().iter().find(|member| member.key == key);
    // Above the seq in the file, and above the one that a peer gave itself at a renewal.
    let renewed = credentials.holder().not_after_ms;
    let seq = known.map_or(Some(1), |member| member.seq.max(renewed).checked_add(2));
    let fields = IdentityFields {
        seq: seq.with_context(|| {
            format!("{key} has used its last sequence number; admit the member with a new key")
        })?,
        state: State::Active,
        role,
        addresses,
        chain: credentials.chain().clone(),
    };
    Ok(Identity::sign(file.overlay(), &fields, credentials.key())?)
}

/// Makes concurrent additions to network files of one folder wait, because each writes the whole file.
fn lock_beside(network: &Path) -> anyhow::Result<File> {
    let folder = parent(network);
    let held = File::open(folder).and_then(|folder| folder.lock().map(|()| folder));
    held.with_context(|| format!("cannot use the folder {}", folder.display()))
}

/// Replaces the file as a whole.
pub(crate) fn write(path: &Path, file: &NetworkFile) -> anyhow::Result<()> {
    Ok(replace(path, file.to_toml().as_bytes(), PUBLIC)?)
}

/// The addresses that a member of this role does not use.
const fn unused(role: Role) -> &'static [&'static str] {
    match role {
        Role::Peer => &[],
        Role::Aggregator => &["--quic"],
        _ => &["--grpc", "--quic"],
    }
}

fn check_unused(role: Role, grpc: Option<&str>, quic: Option<&str>) -> Result<(), Usage> {
    let given = [("--grpc", grpc), ("--quic", quic)];
    let given = given.into_iter().filter(|(_, address)| address.is_some());
    match given
        .map(|(name, _)| name)
        .find(|name| unused(role).contains(name))
    {
        Some(name) => Err(Usage(format!(
            "{role} members have no {name} address: omit {name}"
        ))),
        None => Ok(()),
    }
}

/// Checks that no other member has these addresses. Pages on loopback are exempt, because each machine has its own.
fn check_apart(file: &NetworkFile, key: PublicKey, addresses: &Addresses) -> Result<(), Usage> {
    if !addresses.grpc.is_empty() && addresses.grpc == addresses.http {
        return Err(Usage(format!(
            "--grpc and --http are both {}",
            addresses.http
        )));
    }
    let others = file.members().iter().filter(|member| member.key != key);
    for other in others {
        let pairs = [
            (&addresses.grpc, &other.addresses.grpc),
            (&addresses.quic, &other.addresses.quic),
        ];
        let taken = pairs
            .into_iter()
            .find(|(mine, its)| mine == its && !mine.is_empty());
        if let Some((address, _)) = taken {
            return Err(Usage(format!(
                "{address} is the address of {} {}: choose another one",
                other.role, other.key
            )));
        }
    }
    Ok(())
}

/// Checks that a member of this role has the addresses that others need.
fn check_addresses(role: Role, addresses: &Addresses) -> Result<(), Usage> {
    let Addresses { grpc, quic, http } = addresses;
    let needed: &[(&str, &String)] = match role {
        Role::Peer => &[("--grpc", grpc), ("--quic", quic), ("--http", http)],
        Role::Aggregator => &[("--grpc", grpc)],
        _ => &[("--http", http)],
    };
    let missing: Vec<_> = needed
        .iter()
        .filter(|(_, address)| address.is_empty())
        .map(|(name, _)| *name)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let missing = missing.join(" and ");
    Err(Usage(format!(
        "{missing} must be given as host:port: others reach this {role} there"
    )))
}

#[cfg(test)]
mod tests {
    use kittengrad_pki::{
        authority::{Authority, Request, default_validity},
        key_file::generate_key,
    };
    use kittengrad_proto::signed::Signer;

    use super::*;

    #[test]
    fn each_role_needs_the_addresses_that_others_call() {
        let addresses = |grpc: &str, quic: &str, http: &str| Addresses {
            grpc: grpc.to_owned(),
            quic: quic.to_owned(),
            http: http.to_owned(),
        };
        let missing = |role, addresses| check_addresses(role, &addresses).err().map(|e| e.0);
        assert_eq!(missing(Role::Peer, addresses("a:1", "a:2", "a:3")), None);
        let found = missing(Role::Peer, addresses("a:1", "", ""));
        assert!(found.is_some_and(|why| why.starts_with("--quic and --http must")));
        assert_eq!(missing(Role::Aggregator, addresses("a:1", "", "")), None);
        assert!(missing(Role::Aggregator, addresses("", "", "a:3")).is_some());
        assert_eq!(missing(Role::Indexer, addresses("", "", "a:3")), None);
        assert!(missing(Role::Indexer, addresses("", "", "")).is_some());
    }

    #[test]
    fn whoever_calls_a_member_reaches_nobody_else() {
        let authority = Authority::generate("test", unix_ms()).unwrap().0;
        let namespace = "works".parse().unwrap();
        let mut file = NetworkFile::new(namespace, authority.root().clone(), Replicas::default());
        let key = generate_key().unwrap();
        let request = Request {
            role: Role::Peer,
            name: "peer-1",
            key: &key.public(),
            validity: default_validity(Role::Peer),
            now_ms: unix_ms(),
        };
        let (chain, _) = authority.certify(&request).unwrap();
        let held = Credentials::new(key, chain, authority.root().clone()).unwrap();
        let addresses = |grpc: &str, quic: &str, http: &str| Addresses {
            grpc: grpc.to_owned(),
            quic: quic.to_owned(),
            http: http.to_owned(),
        };
        let its = addresses("a:1", "a:2", "127.0.0.1:3");
        let me = held.holder().key;
        file.add(sign(&file, &held, Role::Peer, its.clone()).unwrap())
            .unwrap();

        assert!(check_apart(&file, me, &its).is_ok(), "itself");
        let other = generate_key().unwrap().public();
        let refused = |addresses| check_apart(&file, other, &addresses).err().map(|e| e.0);
        for (theirs, taken) in [
            (addresses("a:1", "b:2", "b:3"), "a:1 is the address"),
            (addresses("b:1", "a:2", "b:3"), "a:2 is the address"),
            (addresses("b:1", "b:2", "b:1"), "--grpc and --http"),
        ] {
            assert!(refused(theirs).is_some_and(|why| why.contains(taken)));
        }
        let apart = addresses("b:1", "b:2", "127.0.0.1:3");
        assert_eq!(refused(apart), None, "loopback of another machine");
        assert_eq!(refused(addresses("", "", "b:3")), None);
    }

    #[test]
    fn an_address_that_a_role_does_not_use_is_refused() {
        assert!(check_unused(Role::Peer, Some("a:1"), Some("a:2")).is_ok());
        assert!(check_unused(Role::Aggregator, Some("a:1"), None).is_ok());
        let error = check_unused(Role::Indexer, Some("a:1"), None).unwrap_err();
        assert!(error.0.contains("omit --grpc"));
    }
}
