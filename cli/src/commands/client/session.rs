//! The start of every command of a client: configuration, client, and shortened ids.

use std::{
    io::Read,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use clap::Args;
use kittengrad_client::{
    Client,
    config::{ClientConfig, locate},
    publisher::Publisher,
};
use kittengrad_proto::{certificate::Role, id::PublicKey, identity::Identity};

use crate::{
    global::Global,
    output::{self, Usage, text::shell},
};

/// Bytes of a file that is one record as JSON, or a list of canonicals: far more than the JSON of the largest record.
const INPUT_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// A client and the configuration that it was made of.
pub(crate) struct Session {
    pub(crate) client: Client,
    pub(crate) config: ClientConfig,
    /// Where the configuration is.
    path: PathBuf,
}

impl Session {
    /// Reads the configuration and prepares to call.
    pub(crate) fn open(global: &Global) -> anyhow::Result<Self> {
        Self::load(&locate(global.config.as_deref())?)
    }

    /// As [`Session::open`], with this configuration.
    pub(crate) fn load(path: &Path) -> anyhow::Result<Self> {
        let config = ClientConfig::load(path)?;
        let client = Client::connect(&config).with_context(|| path.display().to_string())?;
        for warning in client.warnings() {
            output::say(&format!("warning: {warning}"));
        }
        Ok(Self {
            client,
            config,
            path: path.to_owned(),
        })
    }

    /// The publisher with this name, or with this prefix of its key; by default the first one.
    pub(crate) fn publisher(&self, named: Option<&str>) -> anyhow::Result<&Publisher> {
        let publishers = self.client.publishers();
        let Some(named) = named else {
            let why = "has no [[publisher]], and its credentials are not of a client: `kittengrad ca admit --role client` \
                       makes a client";
            return publishers
                .first()
                .with_context(|| format!("{} {why}", self.path.display()));
        };
        if let Some(publisher) = self.client.publisher(named) {
            return Ok(publisher);
        }
        let mut found = publishers
            .iter()
            .filter(|publisher| is_beginning(named, &publisher.key()));
        match (found.next(), found.next()) {
            (Some(publisher), None) => Ok(publisher),
            (Some(_), Some(_)) => {
                Err(Usage(format!("more than one publisher begins with {named:?}")).into())
            }
            (None, _) => Err(self.no_publisher(named)),
        }
    }

    /// Explains how to make the key of a publisher.
    pub(crate) fn no_publisher(&self, name: &str) -> anyhow::Error {
        let names: Vec<_> = self
            .client
            .publishers()
            .iter()
            .map(|p| format!("{:?}", p.name()))
            .collect();
        let path = self.path.display();
        let folder = self.path.parent().unwrap_or_else(|| Path::new(""));
        let out = folder.join("publishers").join(name);
        let ca = folder.join("ca");
        Usage(format!(
            "{path} has no publisher {name:?}, only {}. To make one, with the folder of your authority as --ca:\n  \
             kittengrad ca admit --role client --name {} --out {} --ca {}\n\
             and add to {path}:\n  [[publisher]]\n  name = {}\n  credentials = {}",
            if names.is_empty() { "none".to_owned() } else { names.join(", ") },
            shell(name),
            shell(&out.display().to_string()),
            shell(&ca.display().to_string()),
            toml_text(name),
            toml_text(&format!("publishers/{name}")),
        ))
        .into()
    }

    /// The peer or aggregator whose key has this prefix.
    pub(crate) fn journal(&self, beginning: &str) -> anyhow::Result<PublicKey> {
        let view = self.client.view();
        let owners: Vec<_> = view
            .identities()
            .iter()
            .filter(|member| has_journal(member))
            .map(|m| m.key)
            .collect();
        find(beginning, &owners)
            .map_err(|why| Usage(format!("{why}; `kittengrad ring show` lists them")).into())
    }

    /// All owners of journals: peers in the order of the ring, then aggregators.
    pub(crate) fn journals(&self) -> Vec<PublicKey> {
        let view = self.client.view();
        view.peers()
            .chain(view.aggregators())
            .map(|member| member.key)
            .collect()
    }
}

/// A text as TOML has it.
pub(crate) fn toml_text(text: &str) -> String {
    toml::Value::from(text).to_string()
}

fn has_journal(member: &Identity) -> bool {
    matches!(member.role, Role::Peer | Role::Aggregator)
}

/// The one key that begins so.
fn find(beginning: &str, keys: &[PublicKey]) -> Result<PublicKey, String> {
    let mut found = keys.iter().filter(|key| is_beginning(beginning, key));
    match (found.next(), found.next()) {
        (Some(key), None) => Ok(*key),
        (Some(a), Some(b)) => Err(format!("{a} and {b} begin with {beginning:?}")),
        (None, _) => Err(format!("no peer or aggregator begins with {beginning:?}")),
    }
}

fn is_beginning(text: &str, key: &PublicKey) -> bool {
    !text.is_empty() && key.to_string().starts_with(&text.to_ascii_lowercase())
}

/// The journal to read.
#[derive(Debug, Args)]
pub(crate) struct SourceArgs {
    /// Journal of this peer, by a unique prefix of its key
    #[arg(long, value_name = "ID", conflicts_with = "aggregator")]
    pub(crate) peer: Option<String>,
    /// Journal of the aggregator: the configured one, else the first of the network
    #[arg(long)]
    pub(crate) aggregator: bool,
}

impl SourceArgs {
    /// The journal that is named, if one is.
    pub(crate) fn named(&self, session: &Session) -> anyhow::Result<Option<PublicKey>> {
        if self.aggregator {
            let none =
                || Usage("the network file has no aggregator; name a peer with --peer".to_owned());
            return Ok(Some(session.client.aggregator().ok_or_else(none)?));
        }
        self.peer
            .as_deref()
            .map(|beginning| session.journal(beginning))
            .transpose()
    }
}

/// The name of an input.
pub(crate) fn input_name(path: &Path) -> String {
    if path == Path::new("-") {
        "standard input".to_owned()
    } else {
        path.display().to_string()
    }
}

/// All bytes of a file, or of standard input for `-`. The error for too many bytes recommends `instead`.
pub(crate) fn read_input(path: &Path, instead: &str) -> anyhow::Result<Vec<u8>> {
    let name = input_name(path);
    let source: Box<dyn Read> = if path == Path::new("-") {
        Box::new(std::io::stdin())
    } else {
        Box::new(std::fs::File::open(path).with_context(|| format!("cannot read {name}"))?)
    };
    let mut bytes = Vec::new();
    let read = source.take(INPUT_BYTES_MAX + 1).read_to_end(&mut bytes);
    read.with_context(|| format!("cannot read {name}"))?;
    if bytes.len() as u64 > INPUT_BYTES_MAX {
        bail!("{name} has more than {INPUT_BYTES_MAX} bytes: {instead}");
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(beginning: &str, expected: Result<u8, &str>) {
        let keys = [0x3f, 0x3a, 0xb0].map(|byte| PublicKey::new([byte; 32]));
        let found = find(beginning, &keys).map(|key| key.as_bytes()[0]);
        match (found, expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected),
            (Err(found), Err(expected)) => assert!(found.contains(expected), "{found}"),
            (found, expected) => panic!("{beginning}: {found:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn a_key_is_found_by_a_beginning_that_no_other_has() {
        check("3f", Ok(0x3f));
        check("b", Ok(0xb0));
        check(&"3a".repeat(32), Ok(0x3a));
        check("3", Err("begin with \"3\""));
        check("", Err("no peer or aggregator begins with \"\""));
        check("3F", Ok(0x3f));
        check("zz", Err("no peer or aggregator begins with \"zz\""));
    }
}
