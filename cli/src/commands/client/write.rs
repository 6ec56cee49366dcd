//! `kittengrad put`, `update` and `retract`: one statement, signed, on the disks of a quorum.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context, bail};
use clap::Args;
use kittengrad_client::{
    publisher::Publisher,
    submit::{Ack, Draft, SubmitOptions, Submitted},
};
use kittengrad_pki::files::{Draft as ReceiptFile, FileError, PUBLIC};
use kittengrad_proto::{
    id::{Id, PublicKey, RecordId},
    record::{Link, Record, Retraction, Update},
};
use kittengrad_service::clock::unix_ms;
use serde::Serialize;

use super::{
    Session, canonical,
    lookup::{known, own_heads, statements},
    session::{input_name, read_input},
};
use crate::{
    global::Global,
    output::{
        self,
        text::{clean, count, short},
    },
};

/// The advice for an input that is too large to be one record.
const ONE_RECORD: &str = "expected one record; `kittengrad ingest` loads many";

/// The options of a write.
#[derive(Debug, Args)]
pub(crate) struct WriteArgs {
    /// Publisher, by its name in the configuration or a prefix of its key [default: the first]
    #[arg(long, value_name = "NAME")]
    publisher: Option<String>,
    /// Disks that must have the transaction: one, a quorum of each cell, or all replicas (at least a quorum)
    #[arg(long, value_enum, default_value_t = Disks::Quorum)]
    ack: Disks,
    /// Write the proof that it is on those disks; `kittengrad verify receipt` checks it offline
    #[arg(long, value_name = "FILE")]
    receipt: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Disks {
    One,
    Quorum,
    All,
}

/// The canonical to insert.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    echo '{\"type\":\"artefact\",\"meta\":{\"id\":\"tate:artwork:1035\"}}' | kittengrad put -\n  \
    kittengrad put turner.json --publisher tate --receipt turner.receipt\n\n\
    meta has the fields that never change, usually only an identifier: publishers who put the same record mean \
    the same thing. A canonical that exists stays as it is. Prints the CID.")]
pub(crate) struct PutArgs {
    /// File with the JSON of the record, or - for standard input
    file: PathBuf,
    #[command(flatten)]
    write: WriteArgs,
}

/// The statement to publish.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    kittengrad update bafyrei... record.json --name 'The Fighting Temeraire'\n  \
    echo '{\"width_cm\":122}' | kittengrad update bafyrei... - --publisher tate --link createdBy=bafyrei...\n  \
    kittengrad update bafyrei... record.json --concurrent     # does not replace earlier updates\n\n\
    Prints the CID of the update.")]
pub(crate) struct UpdateArgs {
    /// The canonical
    cid: RecordId,
    /// File with a JSON object, the update's meta, or - for standard input
    file: PathBuf,
    /// Name of the canonical
    #[arg(long)]
    name: Option<String>,
    /// Link to another canonical: createdBy, derivedFrom, rightsOwnedBy, referencedBy or sameAs
    #[arg(long, value_name = "REL=CID", value_parser = canonical::link)]
    link: Vec<Link>,
    /// Do not replace earlier updates of this publisher
    #[arg(long)]
    concurrent: bool,
    #[command(flatten)]
    write: WriteArgs,
}

/// The update to retract.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  kittengrad retract bafyrei...CANONICAL bafyrei...UPDATE\n\n\
    `kittengrad history CID` lists the updates. The default --publisher is the one of the update. Updates that it \
    replaced stay replaced. Prints the CID of the retraction."
)]
pub(crate) struct RetractArgs {
    /// The canonical
    cid: RecordId,
    /// The update
    update: RecordId,
    #[command(flatten)]
    write: WriteArgs,
}

/// Inserts a canonical.
pub(crate) async fn put(args: PutArgs, global: &Global) -> anyhow::Result<ExitCode> {
    let session = Session::open(global)?;
    let publisher = session.publisher(args.write.publisher.as_deref())?;
    let text = read_input(&args.file, ONE_RECORD)?;
    let canonical = canonical::canonical(&text);
    let canonical =
        canonical.with_context(|| format!("{} is not a canonical", input_name(&args.file)))?;
    let draft = Draft::insert(&Record::Canonical(canonical))?;
    let cid = draft.canonical;
    let written = submit(&session, publisher, draft, &args.write).await?;
    let is_new = written.submitted.created.contains(&cid);
    let what = if is_new {
        "inserted"
    } else {
        "was there already"
    };
    written.report(cid, is_new, what, global)
}

/// Publishes an update.
pub(crate) async fn update(args: UpdateArgs, global: &Global) -> anyhow::Result<ExitCode> {
    let session = Session::open(global)?;
    let publisher = session.publisher(args.write.publisher.as_deref())?;
    let text = read_input(&args.file, ONE_RECORD)?;
    let meta = canonical::object(&text);
    let meta =
        meta.with_context(|| format!("{} is not the meta of an update", input_name(&args.file)))?;
    let previous = if args.concurrent {
        Vec::new()
    } else {
        let found = known(&session, &args.cid).await?;
        found.answers.first().map_or_else(Vec::new, |answer| {
            own_heads(&statements(answer), &publisher.key())
        })
    };
    let mut links = args.link;
    links.sort_unstable();
    links.dedup();
    let update = Update {
        reference: args.cid,
        publisher: publisher.key(),
        timestamp_ms: unix_ms(),
        name: args.name,
        meta,
        previous,
        links,
        salt: None,
    };
    let replaced = update.previous.len() as u64;
    let draft =
        Draft::update(args.cid, &Record::Update(update)).context("cannot make the update")?;
    let cid = draft
        .updates
        .first()
        .map_or(args.cid, |bytes| RecordId::of(bytes));
    let written = submit(&session, publisher, draft, &args.write).await?;
    let what = if replaced == 0 {
        "published".to_owned()
    } else {
        format!("replaces {}", count(replaced, "update"))
    };
    let is_new = written.is_new();
    written.report(cid, is_new, &what, global)
}

/// Retracts an update.
pub(crate) async fn retract(args: RetractArgs, global: &Global) -> anyhow::Result<ExitCode> {
    let session = Session::open(global)?;
    let found = known(&session, &args.cid).await?;
    let statements = found.answers.first().map(statements).unwrap_or_default();
    let author = statements.iter().find_map(|(id, record)| match record {
        Record::Update(update) if *id == args.update => Some(update.publisher),
        _ => None,
    });
    let Some(author) = author else {
        bail!(
            "{} is not an update of {}; `kittengrad history {}` lists its updates",
            args.update,
            args.cid,
            args.cid
        );
    };
    let publisher = who_retracts(&session, &args, author)?;
    let retraction = Retraction {
        reference: args.cid,
        target: args.update,
        publisher: publisher.key(),
        timestamp_ms: unix_ms(),
    };
    let draft = Draft::update(args.cid, &Record::Retraction(retraction))?;
    let cid = draft
        .updates
        .first()
        .map_or(args.cid, |bytes| RecordId::of(bytes));
    let written = submit(&session, publisher, draft, &args.write).await?;
    let is_new = written.is_new();
    written.report(cid, is_new, "takes the update back", global)
}

/// The publisher named, or by default that of the update: a retraction by another publisher has no effect.
fn who_retracts<'a>(
    session: &'a Session,
    args: &RetractArgs,
    author: PublicKey,
) -> anyhow::Result<&'a Publisher> {
    if let Some(named) = &args.write.publisher {
        let publisher = session.publisher(Some(named))?;
        if publisher.key() != author {
            output::say(&format!(
                "note: the update is by {author}; a retraction by another publisher has no effect"
            ));
        }
        return Ok(publisher);
    }
    let own = session
        .client
        .publishers()
        .iter()
        .find(|publisher| publisher.key() == author);
    own.with_context(|| {
        format!("{} is by {author}, and only its publisher can retract it; this configuration does not have that key", args.update)
    })
}

/// One transaction that a peer took.
struct Written {
    transaction: Id,
    submitted: Submitted,
    /// Whether the receipt is in its file, if there is one.
    kept: Result<(), FileError>,
}

#[derive(Serialize)]
struct WrittenJson {
    cid: String,
    transaction: String,
    new: bool,
    journal: String,
    incarnation: u64,
    height: u64,
    synced: Vec<String>,
}

async fn submit(
    session: &Session,
    publisher: &Publisher,
    draft: Draft,
    args: &WriteArgs,
) -> anyhow::Result<Written> {
    let ack = match args.ack {
        Disks::One => Ack::One,
        Disks::Quorum => Ack::Quorum,
        Disks::All => Ack::All,
    };
    let options = SubmitOptions {
        ack,
        receipt: args.receipt.is_some(),
        ..SubmitOptions::default()
    };
    // Errors about the file occur here, before the transaction is sent.
    let draft_of = |path: &PathBuf| {
        let begun = ReceiptFile::begin(path, PUBLIC);
        begun.with_context(|| format!("cannot write a receipt to {}", path.display()))
    };
    let receipt_file = args.receipt.as_ref().map(draft_of).transpose()?;
    let mut outcomes = session
        .client
        .submit(&publisher.key(), vec![draft], options)
        .await?;
    let outcome = outcomes.pop().context("nothing was sent")?;
    let submitted = outcome.result?;
    let kept = match (receipt_file, &submitted.receipt) {
        (Some(file), Some(receipt)) => file.commit(&receipt.encode()),
        _ => Ok(()),
    };
    Ok(Written {
        transaction: outcome.transaction.id(),
        submitted,
        kept,
    })
}

impl Written {
    /// Whether the peer did not have all of it before.
    fn is_new(&self) -> bool {
        self.submitted.added.count() > 0
    }

    fn report(
        self,
        cid: RecordId,
        is_new: bool,
        what: &str,
        global: &Global,
    ) -> anyhow::Result<ExitCode> {
        let submitted = self.submitted;
        let written = WrittenJson {
            cid: cid.to_string(),
            transaction: self.transaction.to_string(),
            new: is_new,
            journal: submitted.peer.to_string(),
            incarnation: submitted.block.incarnation,
            height: submitted.block.height,
            synced: submitted.synced.iter().map(PublicKey::to_string).collect(),
        };
        let disks = count(written.synced.len() as u64, "disk");
        let place = format!("block {} of {}", written.height, short(&written.journal));
        // Without a reader there is still an exit code to give.
        if global.json {
            output::even_if_gone(output::json(&written))?;
        } else {
            output::even_if_gone(output::line(&written.cid))?;
            output::say(&clean(&format!("{what}: on {disks}, {place}")));
        }
        self.kept
            .context("the transaction is written, but not its receipt")?;
        if submitted.acknowledged {
            return Ok(ExitCode::SUCCESS);
        }
        bail!(
            "not acknowledged: only {disks} have it so far; it replicates later. Sending it again is safe, \
             `kittengrad ring show` lists members that are down"
        )
    }
}
