//! `kittengrad verify`: what can be checked with nothing but a file and the root certificate.

use std::{collections::BTreeSet, fs, path::PathBuf, process::ExitCode};

use anyhow::{Context, bail};
use bytes::Bytes;
use clap::{Args, Subcommand};
use kittengrad_pki::credentials::read_root;
use kittengrad_proto::{
    certificate::Root, id::PublicKey, limits::MESSAGE_BYTES_MAX, namespace::Overlay,
    receipt::Receipt, signed::Ed25519, wire,
};
use prost::Message;
use serde::Serialize;

use crate::{
    cli::Global,
    output::{
        self,
        paint::Paint,
        text::{count, short, time},
    },
};

/// What to verify.
#[derive(Debug, Subcommand)]
pub(crate) enum VerifyCommand {
    /// Verify that a transaction is on the disks of a quorum of each of its cells
    #[command(after_help = "Examples:\n  \
        kittengrad put work.json --receipt work.receipt\n  \
        kittengrad verify receipt work.receipt --root ca/root.pem\n\n\
        Nobody is asked: signatures, certificates and inclusion proofs are in the file.\n\
        Exit code 1 if it proves less than it claims.")]
    Receipt(ReceiptArgs),
}

/// Which receipt.
#[derive(Debug, Args)]
pub(crate) struct ReceiptArgs {
    /// The receipt, as `--receipt` wrote it
    file: PathBuf,
    /// Root certificate of the network
    #[arg(long, value_name = "PEM")]
    root: PathBuf,
}

/// Runs an offline check.
pub(crate) fn run(command: &VerifyCommand, global: &Global) -> anyhow::Result<ExitCode> {
    let VerifyCommand::Receipt(args) = command;
    let root = read_root(&args.root)?;
    let name = args.file.display().to_string();
    let bytes = read_receipt(args)?;
    let (verdict, failure) = match check(bytes, &root) {
        Ok(receipt) => (Verdict::good(&name, &receipt), None),
        Err(error) => (Verdict::bad(&name, output::describe(&error)), Some(error)),
    };
    if global.json {
        output::even_if_gone(output::json(&verdict))?;
    } else if verdict.ok {
        verdict.show()?;
    }
    match failure {
        None => Ok(ExitCode::SUCCESS),
        Some(error) => Err(error.context(format!("{name} proves nothing"))),
    }
}

fn read_receipt(args: &ReceiptArgs) -> anyhow::Result<Bytes> {
    let unreadable = || format!("cannot read {}", args.file.display());
    let bytes_found = fs::metadata(&args.file).with_context(unreadable)?.len();
    if bytes_found > MESSAGE_BYTES_MAX as u64 {
        bail!(
            "{} has {bytes_found} bytes, no receipt has more than {MESSAGE_BYTES_MAX}",
            args.file.display()
        );
    }
    Ok(fs::read(&args.file).with_context(unreadable)?.into())
}

/// Checks a receipt of whichever namespace of the root's network it names.
fn check(bytes: Bytes, root: &Root) -> anyhow::Result<Receipt> {
    let namespace = namespace(&bytes).context("it is no receipt")?;
    let overlay = Overlay {
        network: root.network(),
        namespace: namespace.parse()?,
    };
    let receipt = Receipt::decode(bytes, &overlay)?;
    receipt.verify(root, &Ed25519)?;
    Ok(receipt)
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
    peers: Vec<String>,
    elements: Vec<(String, Option<String>)>,
}

impl Verdict {
    fn good(file: &str, receipt: &Receipt) -> Self {
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
        let paint = Paint::stdout();
        let quorum = u64::from(self.quorum.unwrap_or_default());
        let elements = count(self.elements.len() as u64, "element");
        output::line(&format!(
            "{}  {elements}, each on {} at least",
            paint.green("ok"),
            count(quorum, "disk")
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
