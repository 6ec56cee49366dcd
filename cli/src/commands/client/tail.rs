//! `kittengrad tail`: a journal as lines, each element verified before it is shown.

use std::{process::ExitCode, str::FromStr, time::Duration};

use anyhow::Context;
use clap::Args;
use kittengrad_client::subscribe::{
    Bodies, ElementAt, Event, Start, SubscribeError, SubscribeOptions, VerifiedBlock,
};
use kittengrad_proto::{
    cursor::{CursorError, Position},
    id::PublicKey,
    record::Record,
};
use serde::Serialize;

use super::{Session, journal::elements_before, session::SourceArgs};
use crate::{
    global::Global,
    output::{
        self, Usage, paint,
        text::{cut, pad, short, time},
    },
};

/// Columns for a name.
const NAME_COLUMNS: usize = 48;
/// Columns for the name of a publisher.
const PUBLISHER_COLUMNS: usize = 16;

/// The journal to follow.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    kittengrad tail                                       new elements\n  \
    kittengrad tail --from genesis --no-follow --json     the whole journal, once\n  \
    kittengrad tail --from CURSOR --json                  continues after the line with that cursor\n\n\
    Signatures, links and certificates are verified; a lost connection is retried. Without --peer and \
    --aggregator, it reads the journal of the cursor, else of the aggregator, else of the first peer.")]
pub(crate) struct TailArgs {
    /// Start: genesis, now, or the cursor of a line [default: now; with --no-follow genesis]
    #[arg(long, value_name = "CURSOR")]
    from: Option<Beginning>,
    #[command(flatten)]
    source: SourceArgs,
    /// Stop at the head
    #[arg(long)]
    no_follow: bool,
    /// Stop after N elements
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
}

/// Where to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Beginning {
    Genesis,
    Now,
    Cursor(Position),
}

impl FromStr for Beginning {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        match text {
            "genesis" => Ok(Self::Genesis),
            "now" => Ok(Self::Now),
            text => text.parse().map(Self::Cursor),
        }
    }
}

/// One element.
#[derive(Serialize)]
struct ElementJson {
    canonical: String,
    update: Option<String>,
    publisher: String,
    journal: String,
    incarnation: u64,
    height: u64,
    offset: u64,
    cursor: String,
}

/// Follows a journal.
pub(crate) async fn run(args: TailArgs, global: &Global) -> anyhow::Result<ExitCode> {
    let session = Session::open(global)?;
    let source = source(&args, &session)?;
    let start = match args.from {
        Some(Beginning::Genesis) => Start::Genesis,
        Some(Beginning::Now) => Start::Now,
        Some(Beginning::Cursor(position)) => Start::Cursor(position),
        None if args.no_follow => Start::Genesis,
        None => Start::Now,
    };
    let patience = Duration::from_millis(session.config.timeouts.read_ms);
    let options = SubscribeOptions {
        start,
        bodies: Bodies::Records,
        follow: !args.no_follow,
        give_up_after: args.no_follow.then_some(patience),
        ..SubscribeOptions::default()
    };
    let mut subscription = session.client.subscribe(source, options);
    let (mut left, mut offsets) = (args.limit.unwrap_or(u64::MAX), Offsets::default());
    while left > 0 {
        let Some(event) = subscription.next().await else {
            break;
        };
        match event.map_err(|error| explain(error, &source))? {
            Event::Block(block) => {
                let before = offsets.before(&block, &session, &source).await?;
                left -= show(&block, before, left, global)?;
            }
            other => note(&other),
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The journal to follow: the one named, else that of the cursor, else of the aggregator, else of the first peer.
fn source(args: &TailArgs, session: &Session) -> anyhow::Result<PublicKey> {
    let named = args.source.named(session)?;
    if let Some(Beginning::Cursor(position)) = args.from {
        let journal = position.cursor.journal;
        if named.is_some_and(|named| named != journal) {
            return Err(Usage(format!(
                "the cursor is of journal {journal}; leave --peer and --aggregator out"
            ))
            .into());
        }
        return session.journal(&journal.to_string());
    }
    let first = || {
        session
            .client
            .aggregator()
            .or_else(|| session.journals().first().copied())
    };
    named
        .or_else(first)
        .context("the network has no journal; `kittengrad ring show` lists the peers")
}

/// How many elements the journal has before the incarnation that is read: blocks count from its beginning only.
#[derive(Debug, Default)]
struct Offsets {
    incarnation: Option<u64>,
    before: u64,
    /// Elements of the incarnation up to the block that was read last.
    own: u64,
}

impl Offsets {
    /// Elements before the incarnation of the next block.
    async fn before(
        &mut self,
        block: &VerifiedBlock,
        session: &Session,
        source: &PublicKey,
    ) -> anyhow::Result<u64> {
        let incarnation = block.header.incarnation;
        match self.incarnation {
            Some(read) if read == incarnation => {}
            Some(_) => self.before = self.before.saturating_add(self.own),
            None => self.before = elements_before(session, source, incarnation).await?,
        }
        self.incarnation = Some(incarnation);
        self.own = block.resume().offset.unwrap_or_default();
        Ok(self.before)
    }
}

/// Prints at most `limit` elements of a block, with `before` elements before its incarnation. Returns their number.
fn show(block: &VerifiedBlock, before: u64, limit: u64, global: &Global) -> anyhow::Result<u64> {
    let (mut lines, mut styled) = (Vec::new(), String::new());
    let mut shown = 0;
    for at in block
        .elements()
        .take(usize::try_from(limit).unwrap_or(usize::MAX))
    {
        if global.json {
            output::json_into(&mut lines, &json(block, before, &at))?;
        } else {
            styled += &text(block, &at);
        }
        shown += 1;
    }
    output::raw(&lines)?;
    output::styled(&styled)?;
    Ok(shown)
}

fn json(block: &VerifiedBlock, before: u64, at: &ElementAt<'_>) -> ElementJson {
    ElementJson {
        canonical: at.element.canonical.to_string(),
        update: at.element.update.map(|update| update.to_string()),
        publisher: at.entry.transaction.publisher().to_string(),
        journal: block.header.peer.to_string(),
        incarnation: block.header.incarnation,
        height: block.header.height,
        offset: before.saturating_add(at.offset),
        cursor: at.position.to_string(),
    }
}

fn text(block: &VerifiedBlock, at: &ElementAt<'_>) -> String {
    let when = time(block.header.time_ms);
    let publisher = at
        .entry
        .publisher
        .as_ref()
        .map(|vouched| cut(&vouched.holder.name, PUBLISHER_COLUMNS))
        .unwrap_or_default();
    let bytes = at
        .element
        .update
        .and_then(|update| at.entry.records.get(&update));
    let what = match (at.element.update, bytes.map(|bytes| Record::decode(bytes))) {
        (None, _) => "inserted".to_owned(),
        (Some(_), Some(Ok(Record::Update(update)))) => update
            .name
            .map_or_else(|| "update".to_owned(), |name| cut(&name, NAME_COLUMNS)),
        (Some(_), Some(Ok(Record::Retraction(_)))) => "retraction".to_owned(),
        (Some(_), _) => "update".to_owned(),
    };
    let (when, publisher) = (
        paint::dim(&when),
        paint::green(&pad(&publisher, PUBLISHER_COLUMNS)),
    );
    format!(
        "{when}  {publisher}  {}  {}\n",
        pad(&what, NAME_COLUMNS),
        paint::cyan(&at.element.canonical.to_string())
    )
}

/// Prints an event that is not a block.
fn note(event: &Event) {
    let text = match event {
        Event::Block(_) | Event::Alive(_) | Event::Began { fork: None, .. } => return,
        Event::Began {
            incarnation,
            fork: Some(fork),
        } => format!(
            "incarnation {incarnation} starts after block {} of {}; elements that were lost come again",
            fork.height, fork.incarnation
        ),
        Event::Evidence(evidence) => match output::evidence::told(evidence) {
            Some(text) => text,
            None => return,
        },
        Event::Gap {
            incarnation,
            from_height,
        } => {
            format!("blocks of incarnation {incarnation} are lost from {from_height} on")
        }
        Event::Missing {
            incarnation,
            to_height,
        } => {
            format!(
                "blocks of incarnation {incarnation} before {to_height} no longer exist at the source"
            )
        }
        Event::Waiting { error, retry_in } => {
            format!("{error}; trying again in {} ms", retry_in.as_millis())
        }
    };
    output::say(&format!("note: {}", output::text::clean(&text)));
}

/// Adds the next step to an error.
pub(crate) fn explain(error: SubscribeError, source: &PublicKey) -> anyhow::Error {
    let key = source.to_string();
    let short = short(&key);
    let next = match &error {
        SubscribeError::TooOld { start }
        | SubscribeError::Future { start }
        | SubscribeError::UnknownIncarnation { start } => {
            format!("begin with `kittengrad tail --from {start}`")
        }
        SubscribeError::BehindBlock { .. } => {
            "take the cursor as `kittengrad tail --json` printed it".to_owned()
        }
        SubscribeError::Tampered(_) => {
            format!("`kittengrad journal verify --peer {short}` looks closer")
        }
        SubscribeError::OtherJournal
        | SubscribeError::Refused(_)
        | SubscribeError::Unreachable(_) => "`kittengrad health` asks all processes".to_owned(),
    };
    anyhow::anyhow!("journal {short}: {error}; {next}")
}

#[cfg(test)]
mod tests {
    use kittengrad_proto::cursor::Cursor;

    use super::*;

    #[test]
    fn a_beginning_is_a_word_or_a_cursor() {
        assert_eq!("genesis".parse(), Ok(Beginning::Genesis));
        assert_eq!("now".parse(), Ok(Beginning::Now));
        let cursor = Cursor {
            journal: PublicKey::new([3; 32]),
            incarnation: 5,
            height: Some(41),
        };
        let position = Position {
            cursor,
            elements: 7,
        };
        assert_eq!(
            position.to_string().parse(),
            Ok(Beginning::Cursor(position))
        );
        assert!("yesterday".parse::<Beginning>().is_err());
    }
}
