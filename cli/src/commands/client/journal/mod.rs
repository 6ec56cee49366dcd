//! `kittengrad journal`: the blocks of journals, whether they verify, and where they stand.

mod verify;

use std::{process::ExitCode, str::FromStr};

use clap::{Args, Subcommand};
use kittengrad_client::subscribe::{Bodies, CheckedBlock};
use kittengrad_proto::{id::PublicKey, limits::GET_BLOCKS_MAX};
use serde::Serialize;

use super::{Session, session::SourceArgs};
use crate::{
    global::Global,
    output::{
        self, Usage, paint,
        text::{count, number, short, time},
    },
};

/// Blocks in one request.
const BLOCKS_AT_ONCE: u32 = 200;
const _: () = assert!(BLOCKS_AT_ONCE <= GET_BLOCKS_MAX);

/// Commands about journals.
#[derive(Debug, Subcommand)]
pub(crate) enum JournalCommand {
    /// List blocks, valid or not
    #[command(after_help = "Examples:\n  \
        kittengrad journal blocks --aggregator --limit 10\n  \
        kittengrad journal blocks --peer 3f9a12cd --from 1795171200000/41 --json\n\n\
        Without --from it begins with the first block of the first incarnation. A journal has more than one \
        incarnation if its owner lost blocks that it had shown; they come one after the other.")]
    Blocks(BlocksArgs),
    /// Verify every block of every incarnation: links, signatures, roots, transactions, bitmaps
    #[command(after_help = "Examples:\n  \
        kittengrad journal verify                      all peers and aggregators\n  \
        kittengrad journal verify --peer 3f9a12cd --json\n\n\
        Exit code 1 if a block does not verify.")]
    Verify {
        #[command(flatten)]
        source: SourceArgs,
    },
    /// Show the heads of journals, as their owners signed them
    #[command(
        after_help = "Examples:\n  kittengrad journal head\n  kittengrad journal head --aggregator --json"
    )]
    Head {
        #[command(flatten)]
        source: SourceArgs,
    },
}

/// Which blocks.
#[derive(Debug, Args)]
pub(crate) struct BlocksArgs {
    #[command(flatten)]
    source: SourceArgs,
    /// First block to list
    #[arg(long, value_name = "INC/HEIGHT")]
    from: Option<Place>,
    /// List at most N blocks
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
}

/// A block's place in a journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    incarnation: u64,
    height: u64,
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text.split_once('/').and_then(|(incarnation, height)| {
            Some(Self {
                incarnation: incarnation.parse().ok()?,
                height: height.parse().ok()?,
            })
        });
        numbers.ok_or_else(|| "write INCARNATION/HEIGHT, as in 1795171200000/41".to_owned())
    }
}

/// Runs a command about journals.
pub(crate) async fn run(command: JournalCommand, global: &Global) -> anyhow::Result<ExitCode> {
    let session = Session::open(global)?;
    match command {
        JournalCommand::Blocks(args) => blocks(&args, &session, global).await,
        JournalCommand::Verify { source } => {
            let journals = chosen(&source, &session)?;
            verify::run(&journals, &session, global).await
        }
        JournalCommand::Head { source } => {
            let journals = chosen(&source, &session)?;
            heads(&journals, &session, global).await
        }
    }
}

/// The journal named, or all journals.
fn chosen(source: &SourceArgs, session: &Session) -> anyhow::Result<Vec<PublicKey>> {
    Ok(source
        .named(session)?
        .map_or_else(|| session.journals(), |journal| vec![journal]))
}

#[derive(Serialize)]
struct BlockJson {
    journal: String,
    incarnation: u64,
    height: u64,
    hash: String,
    previous: String,
    time_ms: u64,
    item_count: u32,
    signature_ok: bool,
    elements: Vec<(String, Option<String>)>,
}

impl BlockJson {
    fn new(checked: &CheckedBlock) -> Self {
        let header = &checked.block.header;
        let elements = checked.elements.iter().map(|element| {
            (
                element.canonical.to_string(),
                element.update.map(|update| update.to_string()),
            )
        });
        Self {
            journal: header.peer.to_string(),
            incarnation: header.incarnation,
            height: header.height,
            hash: header.hash().to_string(),
            previous: header.previous.to_string(),
            time_ms: header.time_ms,
            item_count: header.item_count,
            signature_ok: checked.is_signed,
            elements: elements.collect(),
        }
    }

    fn line(&self) -> String {
        let signature = if self.signature_ok {
            String::new()
        } else {
            paint::red("  FORGED")
        };
        format!(
            "{:>8}  {}  {}  {:>6}  {:>7}{signature}",
            self.height,
            paint::dim(&time(self.time_ms)),
            short(&self.hash),
            count(u64::from(self.item_count), "item"),
            count(self.elements.len() as u64, "element"),
        )
    }
}

/// Lists blocks from one place on.
async fn blocks(args: &BlocksArgs, session: &Session, global: &Global) -> anyhow::Result<ExitCode> {
    let Some(journal) = args.source.named(session)? else {
        let why = "name the journal with --peer ID or --aggregator; `kittengrad ring show` lists the peers";
        return Err(Usage(why.to_owned()).into());
    };
    let head = session.client.head_of(&journal).await?;
    if head.heartbeat.is_none() {
        output::say("the journal has no block yet");
        return Ok(ExitCode::SUCCESS);
    }
    let mut left = args.limit.unwrap_or(u64::MAX);
    for place in places(args.from, &head.incarnations) {
        left = list(&journal, place, left, session, global).await?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Where to begin in each incarnation: at `from`, and then at the beginning of each later one.
fn places(from: Option<Place>, incarnations: &[u64]) -> Vec<Place> {
    let first = from.into_iter();
    let is_later = |incarnation: &u64| from.is_none_or(|from| *incarnation > from.incarnation);
    let later = incarnations.iter().copied().filter(is_later);
    first
        .chain(later.map(|incarnation| Place {
            incarnation,
            height: 0,
        }))
        .collect()
}

/// Lists at most `left` blocks of one incarnation; how many may still be listed.
async fn list(
    journal: &PublicKey,
    from: Place,
    mut left: u64,
    session: &Session,
    global: &Global,
) -> anyhow::Result<u64> {
    let Place {
        incarnation,
        mut height,
    } = from;
    while left > 0 {
        let limit = u32::try_from(left).unwrap_or(u32::MAX).min(BLOCKS_AT_ONCE);
        let found = session
            .client
            .blocks(journal, incarnation, height, limit, Bodies::Transactions)
            .await?;
        let Some(last) = found.last() else { break };
        let next = last.block.header.height.saturating_add(1);
        if next <= height || last.block.header.incarnation != incarnation {
            anyhow::bail!(
                "{journal} answers with other blocks than requested from {incarnation}/{height}"
            );
        }
        height = next;
        left = left.saturating_sub(found.len() as u64);
        let (mut lines, mut styled) = (Vec::new(), String::new());
        for block in found.iter().map(BlockJson::new) {
            if global.json {
                output::json_into(&mut lines, &block)?;
            } else {
                styled += &format!("{}\n", block.line());
            }
        }
        output::raw(&lines)?;
        output::styled(&styled)?;
    }
    Ok(left)
}

/// Elements of a journal in the incarnations before one, as its owner says: at the end of each that ended, which the
/// genesis of the next one names as its fork (rfd 4).
pub(crate) async fn elements_before(
    session: &Session,
    journal: &PublicKey,
    incarnation: u64,
) -> anyhow::Result<u64> {
    let client = &session.client;
    let block = async |incarnation, height| {
        let found = client.blocks(journal, incarnation, height, 1, Bodies::Transactions);
        anyhow::Ok(found.await?.into_iter().next())
    };
    let incarnations = client.head_of(journal).await?.incarnations;
    let mut elements = 0_u64;
    for (ended, next) in incarnations.iter().zip(incarnations.iter().skip(1)) {
        if *next > incarnation {
            break;
        }
        let fork = block(*next, 0)
            .await?
            .and_then(|found| found.block.header.fork);
        let fork = fork.filter(|fork| fork.incarnation == *ended);
        let Some(fork) = fork else { continue };
        if let Some(last) = block(*ended, fork.height).await? {
            let own = last.elements.len() as u64;
            elements = elements.saturating_add(last.offset).saturating_add(own);
        }
    }
    Ok(elements)
}

#[derive(Serialize)]
struct HeadJson {
    journal: String,
    incarnation: Option<u64>,
    height: Option<u64>,
    hash: Option<String>,
    time_ms: Option<u64>,
    incarnations: Vec<u64>,
    elements: u64,
}

/// Shows where journals stand.
async fn heads(
    journals: &[PublicKey],
    session: &Session,
    global: &Global,
) -> anyhow::Result<ExitCode> {
    let mut is_failed = false;
    for journal in journals {
        let found = match session.client.head_of(journal).await {
            Ok(found) => found,
            Err(error) => {
                output::error(&error.into());
                is_failed = true;
                continue;
            }
        };
        let head = found.heartbeat.as_ref().map(|heartbeat| heartbeat.head);
        let line = HeadJson {
            journal: journal.to_string(),
            incarnation: head.map(|head| head.incarnation),
            height: head.map(|head| head.height),
            hash: head.map(|head| head.hash.to_string()),
            time_ms: found.heartbeat.as_ref().map(|heartbeat| heartbeat.time_ms),
            incarnations: found.incarnations,
            elements: found.elements,
        };
        if global.json {
            output::even_if_gone(output::json(&line))?;
        } else {
            let place = match (line.incarnation, line.height, &line.hash) {
                (Some(incarnation), Some(height), Some(hash)) => {
                    format!("{incarnation}/{height}  {}", short(hash))
                }
                _ => "no block yet".to_owned(),
            };
            output::line(&format!(
                "{}  {place}  {} elements",
                short(&line.journal),
                number(line.elements)
            ))?;
        }
    }
    Ok(if is_failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_come_from_one_place_on_through_all_incarnations() {
        let place = |incarnation, height| Place {
            incarnation,
            height,
        };
        let all = [3, 5, 9];
        assert_eq!(places(None, &all), [place(3, 0), place(5, 0), place(9, 0)]);
        assert_eq!(places(Some(place(5, 7)), &all), [place(5, 7), place(9, 0)]);
        assert_eq!(places(Some(place(9, 7)), &all), [place(9, 7)]);
    }

    #[test]
    fn a_place_is_incarnation_and_height() {
        assert_eq!(
            "5/0".parse(),
            Ok(Place {
                incarnation: 5,
                height: 0
            })
        );
        for text in ["", "5", "5/", "/5", "5/genesis", "-1/0", "5/1/2"] {
            assert!(text.parse::<Place>().is_err(), "{text}");
        }
    }
}
