//! The phases that are many requests side by side: insert, bulk, lookup.

use std::sync::Arc;

use anyhow::{Context, ensure};
use kittengrad_client::{
    Client,
    lookup::Consistency,
    submit::{Draft, GroupLimits, Prepared, SubmitOptions},
};
use kittengrad_proto::id::PublicKey;
use tokio::task::spawn_blocking;

use super::{
    BenchArgs,
    data::{Maker, load},
    measure::{Measured, Work, run},
};
use crate::commands::client::Session;

/// Single inserts, each signed.
pub(super) async fn insert(session: &Session, args: &BenchArgs) -> anyhow::Result<Measured> {
    let publisher = session.publisher(args.publisher.as_deref())?.key();
    let maker = Maker::new(args.record_bytes, publisher)?;
    let drafts = (0..args.canonicals(50_000)).map(|number| maker.padded_canonical(number));
    let prepared = sign(
        &session.client,
        publisher,
        drafts.collect::<anyhow::Result<_>>()?,
        1,
    )
    .await?;
    send(session, args, prepared).await
}

/// Transactions with many updates of canonicals that exist.
pub(super) async fn bulk(session: &Session, args: &BenchArgs) -> anyhow::Result<Measured> {
    let publisher = session.publisher(args.publisher.as_deref())?.key();
    let maker = Maker::new(args.record_bytes, publisher)?;
    let drafts = (0..args.canonicals(40_000)).map(|number| maker.said(number, args.per));
    let drafts = drafts.collect::<anyhow::Result<Vec<_>>>()?;
    let bare = drafts.iter().map(|draft| Draft {
        updates: Vec::new(),
        ..draft.clone()
    });
    load(&session.client, &publisher, bare.collect()).await?;
    let updates = drafts.into_iter().map(|draft| Draft {
        insert: None,
        ..draft
    });
    let prepared = sign(
        &session.client,
        publisher,
        updates.collect(),
        args.batch as usize,
    )
    .await?;
    send(session, args, prepared).await
}

/// Signs transactions of at most so many updates, and mixes them so that they go to all peers alike.
async fn sign(
    client: &Client,
    publisher: PublicKey,
    drafts: Vec<Draft>,
    updates_max: usize,
) -> anyhow::Result<Vec<Prepared>> {
    let client = client.clone();
    let limits = GroupLimits {
        updates_max,
        ..GroupLimits::default()
    };
    let sign = move || client.prepare(&publisher, drafts, limits);
    let mut prepared = spawn_blocking(sign).await.context("signing failed")??;
    // Ids are hashes: their order is as good as any other that has nothing to do with the ring.
    prepared.sort_unstable_by_key(|prepared| prepared.transaction().id());
    Ok(prepared)
}

async fn send(
    session: &Session,
    args: &BenchArgs,
    prepared: Vec<Prepared>,
) -> anyhow::Result<Measured> {
    let work = Work {
        ops: Some(prepared.len()),
        conc: args.conc,
        limit: args.limit(),
    };
    let (client, prepared) = (session.client.clone(), Arc::new(prepared));
    run(work, move |number| {
        let (client, prepared) = (client.clone(), Arc::clone(&prepared));
        async move {
            let prepared = &prepared[number];
            let submitted = client.send(prepared, SubmitOptions::default()).await?;
            ensure!(
                submitted.acknowledged,
                "not acknowledged: on {} disks only",
                submitted.synced.len()
            );
            Ok(prepared.transaction().elements().count() as u64)
        }
    })
    .await
}

/// Lookups of the sets of single canonicals, again and again until the time is over.
pub(super) async fn lookup(
    session: &Session,
    args: &BenchArgs,
    consistency: Consistency,
    records: bool,
) -> anyhow::Result<Measured> {
    let publisher = session.publisher(args.publisher.as_deref())?.key();
    let maker = Maker::new(args.record_bytes, publisher)?;
    let drafts = (0..args.canonicals(10_000)).map(|number| maker.said(number, args.per));
    let drafts = drafts.collect::<anyhow::Result<Vec<_>>>()?;
    let canonicals: Arc<Vec<_>> = Arc::new(drafts.iter().map(|draft| draft.canonical).collect());
    load(&session.client, &publisher, drafts).await?;
    let work = Work {
        ops: None,
        conc: args.conc,
        limit: args.limit(),
    };
    let (client, per) = (session.client.clone(), args.per as usize);
    run(work, move |number| {
        let (client, canonicals) = (client.clone(), Arc::clone(&canonicals));
        async move {
            let canonical = canonicals[number % canonicals.len()];
            let found = client.lookup(&[canonical], consistency, records).await?;
            let found = found
                .answers
                .first()
                .map_or(0, |answer| answer.updates.len());
            ensure!(
                found == per,
                "{canonical} has {found} updates, {per} were written"
            );
            Ok(found as u64)
        }
    })
    .await
}
