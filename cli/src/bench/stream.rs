//! The phase of one reader: updates from the stream of one journal.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use kittengrad_client::subscribe::{Bodies, Event, Start, SubscribeOptions};
use kittengrad_proto::{
    cursor::{Cursor, Position},
    id::{PublicKey, RecordId},
};
use tokio::time::sleep;

use super::{
    BenchArgs,
    data::{Maker, load},
    measure::Measured,
};
use crate::{
    commands::client::{Session, explain},
    output::{
        self,
        text::{clean, count, number},
    },
};

/// Time for the loaded data to arrive at the source.
const PATIENCE: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(100);

/// Loads updates, then reads them from the journal of `source`, by default that of the first peer.
pub(super) async fn tail(
    session: &Session,
    args: &BenchArgs,
    source: Option<PublicKey>,
) -> anyhow::Result<Measured> {
    let source = source
        .or_else(|| session.journals().first().copied())
        .context("the network has no peer")?;
    let publisher = session.publisher(args.publisher.as_deref())?.key();
    let maker = Maker::new(args.record_bytes, publisher)?;
    let drafts = (0..args.canonicals(40_000)).map(|number| maker.said(number, args.per));
    let drafts = drafts.collect::<anyhow::Result<Vec<_>>>()?;
    let held = drafts
        .iter()
        .filter(|draft| has(session, &source, &draft.canonical))
        .count() as u64;
    let expected = held * u64::from(args.per);

    let before = session.client.head_of(&source).await?;
    let start = before.heartbeat.map_or(Start::Genesis, |heartbeat| {
        let (incarnation, height) = (heartbeat.head.incarnation, Some(heartbeat.head.height));
        Start::Cursor(Position {
            cursor: Cursor {
                journal: source,
                incarnation,
                height,
            },
            elements: 0,
        })
    });
    load(&session.client, &publisher, drafts).await?;
    wait(session, &source, before.elements + expected).await?;
    read(session, args, source, start, expected).await
}

/// Whether the journal of `source` is to have it: an aggregator's has everything.
fn has(session: &Session, source: &PublicKey, canonical: &RecordId) -> bool {
    let view = session.client.view();
    !view.is_in_ring(source) || view.holds(source, canonical)
}

async fn wait(session: &Session, source: &PublicKey, elements: u64) -> anyhow::Result<()> {
    let began = Instant::now();
    loop {
        let there = session.client.head_of(source).await?.elements;
        if there >= elements {
            return Ok(());
        }
        if began.elapsed() > PATIENCE {
            bail!(
                "{source} has {there} elements, not {elements}; `kittengrad health` asks all processes"
            );
        }
        sleep(POLL).await;
    }
}

async fn read(
    session: &Session,
    args: &BenchArgs,
    source: PublicKey,
    start: Start,
    expected: u64,
) -> anyhow::Result<Measured> {
    let options = SubscribeOptions {
        start,
        bodies: Bodies::Records,
        follow: false,
        give_up_after: Some(args.limit()),
        ..SubscribeOptions::default()
    };
    let mut measured = Measured::default();
    let began = Instant::now();
    let mut last = began;
    let mut subscription = session.client.subscribe(source, options);
    while measured.updates < expected && began.elapsed() < args.limit() {
        match subscription.next().await {
            Some(Ok(Event::Block(block))) => {
                measured.note(last.elapsed(), Ok(block.added));
                last = Instant::now();
            }
            Some(Ok(Event::Waiting { error, .. })) => {
                let error = clean(&error.to_string());
                output::say(&format!("note: {error}; trying again"));
            }
            Some(Ok(_)) => {}
            Some(Err(error)) => measured.note(last.elapsed(), Err(explain(error, &source))),
            None => break,
        }
    }
    measured.elapsed = began.elapsed();
    measured.say_failure();
    if measured.updates < expected {
        let (read, all) = (number(measured.updates), count(expected, "update"));
        output::say(&format!(
            "note: {read} of {all} were read in the time given"
        ));
    }
    Ok(measured)
}
