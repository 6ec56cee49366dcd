//! `kittengrad verify`: checks of files that need no network.

use std::{collections::BTreeSet, fs, path::PathBuf, process::ExitCode};

use anyhow::{Context, bail};
use bytes::Bytes;
use clap::{Args, Subcommand};
use kittengrad_client::{receipt, submit::Ack};
use kittengrad_overlay::{file::NetworkFile, view::View};
use kittengrad_pki::credentials::read_root;
use kittengrad_proto::{
    certificate::Root, id::PublicKey, limits::MESSAGE_BYTES_MAX, namespace::Overlay,
    receipt::Receipt, signed::Ed25519, wire,
};
use prost::Message;
use serde::Serialize;

use crate::{
    global::Global,
    output::{
        self, paint,
        text::{count, short, time},
    },
};

/// The kind of file to verify.
#[derive(Debug, Subcommand)]
pub(crate) enum VerifyCommand {
    /// Verify that a quorum of each cell has a transaction on disk
    #[command(after_help = "Examples:\n  \
        kittengrad put work.json --receipt work.receipt\n  \
        kittengrad verify receipt work.receipt --network network.toml\n  \
        kittengrad verify receipt work.receipt --root ca/root.pem\n\n\
        The check needs no network: signatures, certificates and inclusion proofs are in the receipt. With --root, it \
        shows that as many peers as the receipt claims have every element on disk. With --network, also that these \
        peers are the replicas, and a majority in each cell; the network file must be of the ring in which the \
        receipt was made.\n\
        Exit code 1 if the receipt proves less.")]
    Receipt(ReceiptArgs),
}

/// Which receipt.
#[derive(Debug, Args)]
pub(crate) struct ReceiptArgs {
    /// Receipt that `--receipt` wrote
    file: PathBuf,
    /// Root certificate of the network
    #[arg(long, value_name = "PEM", required_unless_present = "network")]
    root: Option<PathBuf>,
    /// Network file: also checks cells, replicas and quorum
    #[arg(long, value_name = "FILE")]
    network: Option<PathBuf>,
}

/// Runs an offline check.
pub(crate) fn run(command: &VerifyCommand, global: &Global) -> anyhow::Result<ExitCode> {
    let VerifyCommand::Receipt(args) = command;
    let trust = Trust::load(args)?;
    let name = args.file.display().to_string();
    let bytes = read_receipt(args)?;
    let (verdict, failure) = match trust.check(bytes) {
        Ok(receipt) => (Verdict::good(&name, &receipt, trust.view.is_some()), None),
        Err(error) => (Verdict::bad(&name, output::describe(&error)), Some(error)),
    };
    if global.json {
        output::even_if_gone(output::json(&verdict))?;
    } else if verdict.ok {
        verdict.show()?;
    }
    match failure {
        None => Ok(ExitCode::SUCCESS),
        Some(error) => Err(error.context(format!("{name} does not prove the transaction"))),
    }
}

fn read_receipt(args: &ReceiptArgs) -> anyhow::Result<Bytes> {
    let unreadable = || format!("cannot read {}", args.file.display());
    let bytes_found = fs::metadata(&args.file).with_context(unreadable)?.len();
    if bytes_found > MESSAGE_BYTES_MAX as u64 {
        bail!(
            "{} has {bytes_found} bytes; a receipt has at most {MESSAGE_BYTES_MAX}",
            args.file.display()
        );
    }
    Ok(fs::read(&args.file).with_context(unreadable)?.into())
}

/// The root, and the ring if it is known, that a receipt is checked against.
struct Trust {
    root: Root,
    /// The ring, if the network file is given.
    view: Option<View>,
}

impl Trust {
    fn load(args: &ReceiptArgs) -> anyhow::Result<Self> {
        let load = |path| NetworkFile::load(path, fs::read_to_string);
        let network = args.network.as_deref().map(load).transpose()?;
        let root = args.root.as_deref().map(read_root).transpose()?;
        let root = match (root, &network) {
            (Some(root), Some(network)) if root.network() != network.root().network() => {
                bail!("the root certificate is not the one in the network file")
            }
            (Some(root), _) => root,
            (None, Some(network)) => network.root().clone(),
            (None, None) => bail!("pass --root or --network"),
        };
        let view = network.map(|network| network.view()).transpose()?;
        Ok(Self { root, view })
    }

    /// Checks a receipt of the network file's namespace. Without such a file it may be of any namespace of the network.
    fn check(&self, bytes: Bytes) -> anyhow::Result<Receipt> {
        let Some(view) = &self.view else {
            let namespace = namespace(&bytes).context("not a receipt")?;
            let overlay = Overlay {
                network: self.root.network(),
                namespace: namespace.parse()?,
            };
            return self.verified(bytes, &overlay);
        };
        let receipt = self.verified(bytes, view.overlay())?;
        receipt::check(&receipt, view, Ack::Quorum)?;
        Ok(receipt)
    }

    fn verified(&self, bytes: Bytes, overlay: &Overlay) -> anyhow::Result<Receipt> {
        let receipt = Receipt::decode(bytes, overlay)?;
        receipt.verify(&self.root, &Ed25519)?;
        Ok(receipt)
    }
}

/// The namespace that the transaction in a receipt names, unverified.
fn namespace(bytes: &Bytes) -> Option<String> {
    let receipt = wire::Receipt::decode(bytes.clone()).ok()?;
    let transaction = wire::Transaction::decode(receipt.transaction?.body).ok()?;
    Some(transaction.namespace)
}

#[derive(Default, Serialize)]
struct Verdict {
    file: String,
    ok: bool,
    error: Option<String>,
    transaction: Option<String>,
    publisher: Option<String>,
    created_ms: Option<u64>,
    quorum: Option<u32>,
    /// Whether cells, replicas and quorum were checked against a network file.
    ring_checked: bool,
    peers: Vec<String>,
    elements: Vec<(String, Option<String>)>,
}

impl Verdict {
    fn good(file: &str, receipt: &Receipt, ring_checked: bool) -> Self {
        let transaction = &receipt.transaction;
        let peers: BTreeSet<_> = receipt
            .confirmations
            .iter()
            .map(|confirmation| confirmation.peer)
            .collect();
        let elements = transaction.elements().map(|element| {
            (
                element.canonical.to_string(),
                element.update.map(|update| update.to_string()),
            )
        });
        Self {
            file: file.to_owned(),
            ok: true,
            error: None,
            transaction: Some(transaction.id().to_string()),
            publisher: Some(transaction.publisher().to_string()),
            created_ms: Some(transaction.envelope().created_ms),
            quorum: Some(receipt.quorum),
            ring_checked,
            peers: peers.iter().map(PublicKey::to_string).collect(),
            elements: elements.collect(),
        }
    }

    fn bad(file: &str, error: String) -> Self {
        Self {
            file: file.to_owned(),
            error: Some(error),
            ..Self::default()
        }
    }

    fn show(&self) -> anyhow::Result<()> {
        let quorum = u64::from(self.quorum.unwrap_or_default());
        let elements = count(self.elements.len() as u64, "element");
        output::line(&format!(
            "{}  {elements}, each on {} at least{}",
            paint::green("ok"),
            count(quorum, "disk"),
            if self.ring_checked {
                ", all of them replicas"
            } else {
                "; --network checks that these are replicas"
            }
        ))?;
        let publisher = self.publisher.as_deref().unwrap_or_default();
        output::line(&format!(
            "signed by {publisher} at {}",
            time(self.created_ms.unwrap_or_default())
        ))?;
        output::line(&format!(
            "transaction {}",
            self.transaction.as_deref().unwrap_or_default()
        ))?;
        let peers: Vec<_> = self.peers.iter().map(|peer| short(peer)).collect();
        output::line(&format!("confirmed by {}", peers.join(", ")))
    }
}
