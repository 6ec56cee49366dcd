//! A network in a folder: certificates, network file and a configuration for every process.
//!
//! ```text
//! DIR/ca/                       root, Level-0, registrar
//! DIR/network.toml              who is in it, and where
//! DIR/client.toml               for commands; with DIR/client/ and DIR/publishers/NAME/
//! DIR/peers/N/peer.toml         with its credentials and data
//! DIR/aggregator/aggregator.toml, DIR/indexer/indexer.toml
//! ```

mod admission;
mod configs;
mod ports;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use kittengrad_client::config::ClientConfig;
use kittengrad_overlay::{file::NetworkFile, view::View};
use kittengrad_pki::{
    authority::Authority,
    credentials::{Credentials, Paths},
    directory::InitOptions,
    files::{PUBLIC, replace},
};
use kittengrad_proto::{
    certificate::Role,
    identity::{Addresses, Identity},
};
use kittengrad_ring::Replicas;
use kittengrad_service::clock::unix_ms;

use self::{
    admission::{CA, admit, admit_client},
    configs::{DATA_MIB, RESERVE_MIB, WRITE_BUFFER_MIB, aggregator_toml, indexer_toml, peer_toml},
    ports::Ports,
};
use crate::{
    commands::{
        client::toml_text,
        network::{sign, write},
    },
    output::{self, Usage},
};

/// Name of the namespace and of the network.
const NAME: &str = "demo";

/// The network to prepare.
pub(crate) struct Plan {
    pub(crate) dir: PathBuf,
    /// Number of peers. An existing network must have this number.
    pub(crate) peers: Option<usize>,
    /// The client speaks for them, by default for the first.
    pub(crate) publishers: Vec<String>,
}

/// The folders and the view of a prepared network.
pub(crate) struct Prepared {
    pub(crate) dir: PathBuf,
    pub(crate) view: View,
    /// Folders of the peers in the network, in the order of their numbers.
    peers: Vec<PathBuf>,
}

impl Prepared {
    pub(crate) fn client_config(&self) -> PathBuf {
        self.dir.join(CLIENT_CONFIG)
    }

    /// The peers' configurations, in the order of their numbers.
    pub(crate) fn peer_configs(&self) -> impl Iterator<Item = PathBuf> {
        self.peers.iter().map(|folder| folder.join(PEER_CONFIG))
    }

    pub(crate) fn aggregator_config(&self) -> PathBuf {
        self.dir.join("aggregator/aggregator.toml")
    }

    pub(crate) fn indexer_config(&self) -> PathBuf {
        self.dir.join("indexer/indexer.toml")
    }

    /// Refuses a disk on which processes that have nothing yet would have no room to begin. Those that have something
    /// are read, however full it is.
    pub(crate) fn check_room(&self) -> anyhow::Result<()> {
        const MIB: u64 = 1024 * 1024;
        if self.peers.iter().any(|folder| folder.join("data").exists()) {
            return Ok(());
        }
        let free_mib = kittengrad_store::free_bytes(&self.dir)
            .with_context(|| format!("cannot read the free space of {}", self.dir.display()))?
            / MIB;
        // The log of each peer, and of an aggregator.
        let logs_mib = WRITE_BUFFER_MIB * (self.peers.len() as u64 + 1);
        let needed_mib = RESERVE_MIB + logs_mib + DATA_MIB;
        if free_mib < needed_mib {
            bail!(
                "{free_mib} MiB are free in {}; the demo needs {needed_mib}: free some space, or choose another --dir",
                self.dir.display()
            );
        }
        Ok(())
    }

    /// The identity of the credentials in `folder`, as the network file has it.
    pub(crate) fn member(&self, folder: &Path, role: Role) -> anyhow::Result<&Identity> {
        let loaded = Credentials::load(&Paths::in_dir(folder), role, unix_ms())?;
        let key = loaded.credentials.holder().key;
        let found = self.view.member(&key);
        found.with_context(|| format!("{} is not in the network file", folder.display()))
    }
}

/// Peers of a new network by default.
const PEERS: usize = 5;

/// Creates a network in a folder, or uses the existing one. New publishers are admitted.
pub(crate) fn prepare(plan: &Plan) -> anyhow::Result<Prepared> {
    plan.publishers
        .iter()
        .try_for_each(|name| check_name(name))?;
    let file = plan.dir.join("network.toml");
    fs::create_dir_all(&plan.dir).with_context(|| format!("cannot make {}", plan.dir.display()))?;
    let dir = plan
        .dir
        .canonicalize()
        .with_context(|| format!("cannot use {}", plan.dir.display()))?;
    if !file.exists() && dir.join(CLIENT_CONFIG).exists() {
        bail!(
            "{dir} has a {CLIENT_CONFIG} and no network.toml: choose another --dir, or restore network.toml",
            dir = dir.display()
        );
    }
    let is_new = !file.exists();
    if is_new {
        let options = InitOptions {
            name: NAME.to_owned(),
            now_ms: unix_ms(),
        };
        let made = Authority::init(&dir.join(CA), &options)?;
        lay_out(&made.authority, &dir, plan.peers.unwrap_or(PEERS))?;
    }
    let view = NetworkFile::load(&file, fs::read_to_string)?.view()?;
    let peers = peers(&dir, &view)?;
    check_peers(plan, &view, peers.len())?;
    admit_client(&dir, &view, "client", &dir.join("client"))?;
    for name in &plan.publishers {
        let folder = dir.join("publishers").join(name);
        admit_client(&dir, &view, name, &folder)?;
    }
    write_client_config(&dir, &view, &plan.publishers, is_new)?;
    Ok(Prepared { dir, view, peers })
}

/// Compares the plan with the existing network, and the folders with its members.
fn check_peers(plan: &Plan, view: &View, found: usize) -> anyhow::Result<()> {
    let (dir, members) = (plan.dir.display(), view.peers().count());
    if let Some(wanted) = plan.peers.filter(|wanted| *wanted != members) {
        return Err(Usage(format!(
            "the network in {dir} has {members} peers, not {wanted}: omit --peers, or choose another --dir"
        ))
        .into());
    }
    if view.replication().get() == 1 {
        output::say(&format!(
            "note: the network in {dir} keeps one copy of everything; data that its disk loses is lost"
        ));
    }
    if found == 0 {
        bail!("{dir} has no peers: choose another --dir");
    }
    if found < members {
        output::say(&format!(
            "note: {found} of the {members} peers of {dir}/network.toml have a folder in {dir}/peers; the others run \
             elsewhere, or are missing"
        ));
    }
    Ok(())
}

/// Refuses names of publishers that cannot be names of folders, or that contain control characters.
fn check_name(name: &str) -> Result<(), Usage> {
    if name.is_empty() || name == "." || name == ".." || name.contains(is_unfit) {
        return Err(Usage(format!(
            "{name:?} cannot be the name of a publisher here, because its credentials are kept in a folder of that name"
        )));
    }
    Ok(())
}

fn is_unfit(c: char) -> bool {
    c == '/' || c.is_control()
}

/// The folders of the peers in the network. An earlier, unfinished preparation may have left more folders.
fn peers(dir: &Path, view: &View) -> anyhow::Result<Vec<PathBuf>> {
    let folder = dir.join("peers");
    let mut found = Vec::new();
    for (name, folder) in folders(&folder)? {
        let Ok(number) = name.parse::<u64>() else {
            continue;
        };
        let paths = Paths::in_dir(&folder);
        if !paths.chain.exists() || !folder.join(PEER_CONFIG).exists() {
            continue;
        }
        let loaded = Credentials::load(&paths, Role::Peer, unix_ms())?;
        if view.member(&loaded.credentials.holder().key).is_some() {
            found.push((number, folder));
        }
    }
    found.sort_unstable();
    Ok(found.into_iter().map(|(_, folder)| folder).collect())
}

/// The names in a folder; none if the folder does not exist.
fn folders(folder: &Path) -> anyhow::Result<Vec<(String, PathBuf)>> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let unreadable = || format!("cannot read {}", folder.display());
    let mut found = Vec::new();
    for entry in folder.read_dir().with_context(unreadable)? {
        let entry = entry.with_context(unreadable)?;
        let name = entry.file_name().into_string();
        found.extend(name.ok().map(|name| (name, entry.path())));
    }
    found.sort_unstable();
    Ok(found)
}

/// Admits all members and writes the network file last, so that an interrupted preparation starts again.
fn lay_out(authority: &Authority, dir: &Path, peers: usize) -> anyhow::Result<()> {
    // A quorum of three is two: one peer alone acknowledges nothing, unless it is all that there is to be.
    let replicas = match peers {
        1 => Replicas::new(1)?,
        _ => Replicas::default(),
    };
    let mut file = NetworkFile::new(NAME.parse()?, authority.root().clone(), replicas);
    let mut ports = Ports::new();
    for number in 1..=peers {
        let folder = dir.join(format!("peers/{number}"));
        let credentials = admit(authority, Role::Peer, &format!("peer-{number}"), &folder)?;
        let addresses = Addresses {
            grpc: ports.tcp()?,
            quic: ports.udp()?,
            http: ports.tcp()?,
        };
        file.add(sign(&file, &credentials, Role::Peer, addresses)?)?;
        put(&folder.join(PEER_CONFIG), &peer_toml())?;
    }
    let folder = dir.join("aggregator");
    let credentials = admit(authority, Role::Aggregator, "aggregator", &folder)?;
    let addresses = Addresses {
        grpc: ports.tcp()?,
        quic: String::new(),
        http: ports.tcp()?,
    };
    file.add(sign(&file, &credentials, Role::Aggregator, addresses)?)?;
    put(&folder.join("aggregator.toml"), &aggregator_toml())?;

    let folder = dir.join("indexer");
    let credentials = admit(authority, Role::Indexer, "indexer", &folder)?;
    let addresses = Addresses {
        http: ports.tcp()?,
        ..Addresses::default()
    };
    let http = addresses.http.clone();
    file.add(sign(&file, &credentials, Role::Indexer, addresses)?)?;
    put(&folder.join("indexer.toml"), &indexer_toml(&http))?;
    write(&dir.join("network.toml"), &file)
}

/// Writes the client's configuration. One that is there stays as its owner has it, and only gets the publishers that
/// it lacks.
fn write_client_config(
    dir: &Path,
    view: &View,
    publishers: &[String],
    is_new: bool,
) -> anyhow::Result<()> {
    let path = dir.join(CLIENT_CONFIG);
    let mut names = publishers.to_vec();
    let is_begun = is_new || !path.exists();
    let mut text = if is_begun {
        let known = folders(&dir.join("publishers"))?;
        let known = known.into_iter();
        let admitted = known.filter(|(_, folder)| Paths::in_dir(folder).chain.exists());
        let others = admitted.map(|(name, _)| name);
        names.extend(others.filter(|name| !publishers.contains(name)));
        client_toml(dir, view)?
    } else {
        let known = ClientConfig::load(&path)?.publishers;
        names.retain(|name| known.iter().all(|known| known.name != *name));
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?
    };
    if names.is_empty() && !is_begun {
        return Ok(());
    }
    for name in names {
        text.push_str(&format!(
            "\n[[publisher]]\nname = {}\ncredentials = {}\n",
            toml_text(&name),
            toml_text(&format!("publishers/{name}"))
        ));
    }
    ClientConfig::parse(&text, dir)
        .with_context(|| format!("cannot add publishers to {}", path.display()))?;
    put(&path, &text)
}

/// A client's configuration without publishers.
fn client_toml(dir: &Path, view: &View) -> anyhow::Result<String> {
    let paths = Paths::in_dir(&dir.join("indexer"));
    let indexer = Credentials::load(&paths, Role::Indexer, unix_ms())?;
    let indexer = view
        .member(&indexer.credentials.holder().key)
        .context("the indexer is not in the network")?;
    Ok(format!(
        "# For commands: who calls, who publishes, and where the network is. deploy/client.toml documents every key.\n\
         network = \"network.toml\"\ncredentials = \"client\"\nindexer = \"http://{}\"\n",
        indexer.addresses.http
    ))
}

fn put(path: &Path, text: &str) -> anyhow::Result<()> {
    Ok(replace(path, text.as_bytes(), PUBLIC)?)
}

/// Name of the client's configuration.
const CLIENT_CONFIG: &str = "client.toml";
/// Name of a peer's configuration in its folder.
const PEER_CONFIG: &str = "peer.toml";

#[cfg(test)]
mod tests {
    use super::*;

    fn prepared(dir: &Path, peers: usize, publishers: &[&str]) -> anyhow::Result<Prepared> {
        let publishers = publishers.iter().map(|name| (*name).to_owned()).collect();
        prepare(&Plan {
            dir: dir.to_owned(),
            peers: Some(peers),
            publishers,
        })
    }

    fn publishers(dir: &Path) -> Vec<String> {
        let config = ClientConfig::load(&dir.join("client.toml")).unwrap();
        config
            .publishers
            .into_iter()
            .map(|publisher| publisher.name)
            .collect()
    }

    #[test]
    fn the_clients_configuration_stays_as_its_owner_has_it() {
        let dir = tempfile::tempdir().unwrap();
        prepared(dir.path(), 1, &["tate", "o\"neil"]).unwrap();
        assert_eq!(publishers(dir.path()), ["tate", "o\"neil"]);
        let path = dir.path().join("client.toml");
        let text = fs::read_to_string(&path).unwrap();
        let edited = text + "\n[timeouts] # mine\nread_ms = 60_000\n";
        fs::write(&path, &edited).unwrap();
        prepared(dir.path(), 1, &["tate"]).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), edited);
        prepared(dir.path(), 1, &["tate", "cmoa"]).unwrap();
        assert!(fs::read_to_string(&path).unwrap().starts_with(&edited));
        assert_eq!(publishers(dir.path()), ["tate", "o\"neil", "cmoa"]);
    }

    #[test]
    fn an_interrupted_preparation_is_finished_as_first_planned() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(prepared(dir.path(), 3, &[]).unwrap().peers.len(), 3);
        // As if it had ended before its last write.
        fs::remove_file(dir.path().join("network.toml")).unwrap();
        fs::remove_file(dir.path().join(CLIENT_CONFIG)).unwrap();
        fs::create_dir_all(dir.path().join("publishers/begun")).unwrap();
        let again = prepared(dir.path(), 2, &[]).unwrap();
        let configs: Vec<_> = again.peer_configs().collect();
        assert_eq!(configs.len(), 2);
        assert!(configs[1].ends_with("peers/2/peer.toml"));
        assert_eq!(publishers(dir.path()), [""; 0]);
    }

    #[test]
    fn existing_files_are_neither_changed_nor_misread() {
        let dir = tempfile::tempdir().unwrap();
        prepared(dir.path(), 2, &[]).unwrap();
        let before = fs::read(dir.path().join(CLIENT_CONFIG)).unwrap();
        let error = prepared(dir.path(), 5, &["tate"]).err().unwrap();
        assert!(error.is::<Usage>() && error.to_string().contains("has 2 peers, not 5"));
        assert!(!dir.path().join("publishers").exists());
        // Another network's configuration, or one whose network file was lost.
        fs::remove_file(dir.path().join("network.toml")).unwrap();
        let error = prepared(dir.path(), 2, &[]).err().unwrap();
        assert!(error.to_string().contains("choose another --dir"));
        assert_eq!(fs::read(dir.path().join(CLIENT_CONFIG)).unwrap(), before);
    }

    #[test]
    fn an_authority_stored_offline_is_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        prepared(dir.path(), 1, &["tate"]).unwrap();
        let ca = dir.path().join(CA);
        fs::rename(&ca, dir.path().join("away")).unwrap();
        prepared(dir.path(), 1, &["tate"]).unwrap();
        let error = prepared(dir.path(), 1, &["cmoa"]).err().unwrap();
        assert!(error.to_string().contains("restore that folder"));
        assert!(!ca.exists());

        let options = InitOptions {
            name: NAME.to_owned(),
            now_ms: unix_ms(),
        };
        Authority::init(&ca, &options).unwrap();
        let error = prepared(dir.path(), 1, &["cmoa"]).err().unwrap();
        assert!(error.to_string().contains("of another network"));
        assert_eq!(publishers(dir.path()), ["tate"]);
    }

    #[test]
    fn one_peer_alone_is_a_quorum() {
        let dir = tempfile::tempdir().unwrap();
        let alone = prepared(dir.path(), 1, &[]).unwrap();
        assert_eq!(alone.view.replication().quorum(), 1);
    }

    #[test]
    fn a_publisher_has_a_name_that_a_folder_of_its_own_may_have() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["", ".", "..", "../x", "/etc/x", "a/b", "a\nb", "a\u{7}"] {
            let error = prepared(dir.path(), 1, &[name]).err();
            assert!(error.is_some_and(|error| error.is::<Usage>()), "{name:?}");
        }
        assert!(check_name("Musée d'Orsay").is_ok());
    }
}
