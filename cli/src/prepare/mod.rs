//! A network in a folder: certificates, network file and a configuration for every process.
//!
//! ```text
//! DIR/ca/                       root, Level-0, registrar
//! DIR/network.toml              who is in it, and where
//! DIR/client.toml               for commands; with DIR/client/ and DIR/publishers/NAME/
//! DIR/peers/N/peer.toml         with its credentials and data
//! DIR/aggregator/aggregator.toml, DIR/indexer/indexer.toml
//! ```

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use kittengrad_client::network::{Network, NetworkFile};
use kittengrad_pki::{
    authority::{Authority, default_validity},
    credentials::{Credentials, Paths},
    directory::{Admission, InitOptions},
};
use kittengrad_proto::{
    certificate::Role,
    identity::{Addresses, Identity},
};
use kittengrad_ring::Replicas;
use kittengrad_service::clock::unix_ms;

use crate::commands::network::{sign, write};

/// Name of the namespace and of the network.
const NAME: &str = "demo";

/// What the network is to be.
pub(crate) struct Plan {
    pub(crate) dir: PathBuf,
    pub(crate) peers: usize,
    pub(crate) publishers: Vec<String>,
}

/// Where everything of a prepared network is.
pub(crate) struct Prepared {
    pub(crate) dir: PathBuf,
    pub(crate) network: Network,
}

impl Prepared {
    pub(crate) fn client_config(&self) -> PathBuf {
        self.dir.join("client.toml")
    }

    /// The peers' configurations, in the order of their numbers.
    pub(crate) fn peer_configs(&self) -> anyhow::Result<Vec<PathBuf>> {
        let configs = (1..).map(|n| self.dir.join(format!("peers/{n}/peer.toml")));
        let configs: Vec<_> = configs.take_while(|path| path.exists()).collect();
        if configs.is_empty() {
            bail!("{} has no peers: choose another --dir", self.dir.display());
        }
        Ok(configs)
    }

    pub(crate) fn aggregator_config(&self) -> PathBuf {
        self.dir.join("aggregator/aggregator.toml")
    }

    pub(crate) fn indexer_config(&self) -> PathBuf {
        self.dir.join("indexer/indexer.toml")
    }

    /// The identity whose credentials are in `folder`, as the network file has it.
    pub(crate) fn member(&self, folder: &Path, role: Role) -> anyhow::Result<&Identity> {
        let loaded = Credentials::load(&Paths::in_dir(folder), role, unix_ms())?;
        let key = loaded.credentials.holder().key;
        let found = self.network.member(&key);
        found.with_context(|| format!("{} is not in the network file", folder.display()))
    }
}

/// Makes a network in a folder, or takes up the one that is there; publishers that are new are admitted.
pub(crate) fn prepare(plan: &Plan) -> anyhow::Result<Prepared> {
    let file = plan.dir.join("network.toml");
    std::fs::create_dir_all(&plan.dir)
        .with_context(|| format!("cannot make {}", plan.dir.display()))?;
    let dir = plan
        .dir
        .canonicalize()
        .with_context(|| format!("cannot use {}", plan.dir.display()))?;
    let now_ms = unix_ms();
    let made = Authority::init(
        &dir.join("ca"),
        &InitOptions {
            name: NAME.to_owned(),
            now_ms,
        },
    )?;
    let authority = made.authority;
    if !file.exists() {
        lay_out(&authority, &dir, plan.peers)?;
    }
    admit(&authority, Role::Client, "client", &dir.join("client"))?;
    let mut publishers = known_publishers(&dir)?;
    for name in &plan.publishers {
        if !publishers.contains(name) {
            publishers.push(name.clone());
        }
        admit(
            &authority,
            Role::Client,
            name,
            &dir.join("publishers").join(name),
        )?;
    }
    write_client_config(&dir, &publishers)?;
    let network = Network::load(&dir.join("network.toml"))?;
    Ok(Prepared { dir, network })
}

/// Admits everybody and writes the network file last, so that an interrupted preparation begins anew.
fn lay_out(authority: &Authority, dir: &Path, peers: usize) -> anyhow::Result<()> {
    let replicas = Replicas::default();
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
        put(&folder.join("peer.toml"), PEER_TOML)?;
    }
    let folder = dir.join("aggregator");
    let credentials = admit(authority, Role::Aggregator, "aggregator", &folder)?;
    let addresses = Addresses {
        grpc: ports.tcp()?,
        quic: String::new(),
        http: ports.tcp()?,
    };
    file.add(sign(&file, &credentials, Role::Aggregator, addresses)?)?;
    put(&folder.join("aggregator.toml"), AGGREGATOR_TOML)?;

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

/// Credentials in a folder; those that are there already are kept.
fn admit(
    authority: &Authority,
    role: Role,
    name: &str,
    folder: &Path,
) -> anyhow::Result<Credentials> {
    let paths = Paths::in_dir(folder);
    let now_ms = unix_ms();
    if paths.chain.exists() {
        return Ok(Credentials::load(&paths, role, now_ms)?.credentials);
    }
    let admission = Admission {
        role,
        name,
        validity: default_validity(role),
        existing_key: None,
        now_ms,
    };
    Ok(authority.admit(&admission, folder)?.credentials)
}

fn known_publishers(dir: &Path) -> anyhow::Result<Vec<String>> {
    let folder = dir.join("publishers");
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let mut names = Vec::new();
    for entry in folder
        .read_dir()
        .with_context(|| format!("cannot read {}", folder.display()))?
    {
        names.extend(entry?.file_name().into_string());
    }
    names.sort_unstable();
    Ok(names)
}

fn write_client_config(dir: &Path, publishers: &[String]) -> anyhow::Result<()> {
    let indexer = Credentials::load(
        &Paths::in_dir(&dir.join("indexer")),
        Role::Indexer,
        unix_ms(),
    )?;
    let network = Network::load(&dir.join("network.toml"))?;
    let indexer = network
        .member(&indexer.credentials.holder().key)
        .context("the indexer is not in the network")?;
    let mut text = format!(
        "# For commands: who calls, who publishes, and where the network is.\n\
         network = \"network.toml\"\ncredentials = \"client\"\nindexer = \"http://{}\"\n",
        indexer.addresses.http
    );
    for name in publishers {
        text.push_str(&format!(
            "\n[[publisher]]\nname = \"{name}\"\ncredentials = \"publishers/{name}\"\n"
        ));
    }
    put(&dir.join("client.toml"), &text)
}

fn put(path: &Path, text: &str) -> anyhow::Result<()> {
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

const PEER_TOML: &str = "# A peer of the demo. deploy/peer.toml documents every key.\n\
    network = \"../../network.toml\"\ncredentials = \".\"\ndata = \"data\"\n\n\
    [store]\ncache_mib = 32\nwrite_buffer_mib = 32\nreserve_mib = 64\n";

const AGGREGATOR_TOML: &str = "# The aggregator of the demo. deploy/aggregator.toml documents every key.\n\
    network = \"../network.toml\"\ncredentials = \".\"\ndata = \"data\"\n";

fn indexer_toml(http: &str) -> String {
    format!(
        "# The indexer of the demo. deploy/indexer.toml documents every key.\n\
         network = \"../network.toml\"\ncredentials = \".\"\ndata = \"data\"\n\n[listen]\nhttp = \"{http}\"\n"
    )
}

/// Free ports on loopback, none of them twice: all stay bound until all are chosen.
///
/// They lie below the ports that the system gives to outgoing connections, so that they are still free later.
struct Ports {
    next: u16,
    tcp: Vec<TcpListener>,
    udp: Vec<UdpSocket>,
}

const FIRST: u16 = 20_000;
const LAST: u16 = 32_000;

impl Ports {
    fn new() -> Self {
        let random = u16::try_from(getrandom::u32().unwrap_or_default() % u32::from(LAST - FIRST));
        Self {
            next: FIRST + random.unwrap_or_default(),
            tcp: Vec::new(),
            udp: Vec::new(),
        }
    }

    fn tcp(&mut self) -> anyhow::Result<String> {
        let (address, socket) = self.search(TcpListener::bind)?;
        self.tcp.push(socket);
        Ok(address.to_string())
    }

    fn udp(&mut self) -> anyhow::Result<String> {
        let (address, socket) = self.search(UdpSocket::bind)?;
        self.udp.push(socket);
        Ok(address.to_string())
    }

    /// Tries one port after another.
    fn search<T>(
        &mut self,
        bind: impl Fn(SocketAddr) -> std::io::Result<T>,
    ) -> anyhow::Result<(SocketAddr, T)> {
        for _ in FIRST..LAST {
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.next));
            self.next = if self.next + 1 < LAST {
                self.next + 1
            } else {
                FIRST
            };
            if let Ok(socket) = bind(address) {
                return Ok((address, socket));
            }
        }
        bail!("no free port from {FIRST} to {LAST} on loopback")
    }
}
