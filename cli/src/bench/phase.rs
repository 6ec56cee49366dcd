//! The phases that are many requests side by side: insert, bulk, lookup.

use std::sync::Arc;

use anyhow::{Context, ensure};
use kittengrad_client::{
    Client,
    lookup::Consistency,
    submit::{Draft, GroupLimits, Prepared, SubmitOptions},
};
use kittengrad_proto::{id::PublicKey, limits::SUBMISSION_BYTES_MAX};
use tokio::task::spawn_blocking;

use super::{
    BenchArgs,
    data::{Maker, load},
    measure::{Measured, Work, run},
};
use crate::{
    commands::client::Session,
    output::{
        Usage,
        text::{count, number},
    },
};

/// Bytes of an update in a transaction besides its record: its name, and its share of an entry for 5 of them.
const ENTRY_BYTES: u64 = 32 + 10;

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

/// Transactions with exactly `batch` updates of canonicals that exist.
pub(super) async fn bulk(session: &Session, args: &BenchArgs) -> anyhow::Result<Measured> {
    check_batch(args)?;
    let publisher = session.publisher(args.publisher.as_deref())?.key();
    let maker = Maker::new(args.record_bytes, publisher)?;
    let drafts = (0..args.canonicals(40_000)).map(|number| maker.said(number, args.per));
    let drafts = drafts.collect::<anyhow::Result<Vec<_>>>()?;
    let bare: Vec<_> = drafts.iter().map(bare).collect();
    let updates = drafts.into_iter().map(|draft| Draft {
        insert: None,
        ..draft
    });
    let batch = args.batch as usize;
    let mut prepared = sign(&session.client, publisher, updates.collect(), batch).await?;
    // The remainder of each cell makes a smaller transaction.
    prepared.retain(|prepared| updates_of(prepared) == batch);
    if prepared.is_empty() {
        return Err(Usage(format!(
            "no cell of the ring has {} for one transaction: use more --canonicals or a smaller --batch",
            count(u64::from(args.batch), "update")
        ))
        .into());
    }
    load(&session.client, &publisher, bare).await?;
    send(session, args, prepared).await
}

/// The canonical of a draft alone.
fn bare(draft: &Draft) -> Draft {
    Draft {
        updates: Vec::new(),
        ..draft.clone()
    }
}

fn updates_of(prepared: &Prepared) -> usize {
    let entries = prepared.transaction().entries().iter();
    entries.map(|entry| entry.updates.len()).sum()
}

/// Refuses batches that no transaction has room for.
fn check_batch(args: &BenchArgs) -> Result<(), Usage> {
    let bytes = u64::from(args.batch) * (u64::from(args.record_bytes) + ENTRY_BYTES);
    let max = SUBMISSION_BYTES_MAX as u64;
    if bytes > max {
        return Err(Usage(format!(
            "--batch {} of --record-bytes {} makes about {} bytes; a transaction has at most {}: reduce one",
            args.batch,
            args.record_bytes,
            number(bytes),
            number(max)
        )));
    }
    Ok(())
}

/// Signs transactions of at most `batch` updates, and shuffles them so that all peers get a share.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_that_no_transaction_has_room_for_is_wrong_use() {
        let args = |record_bytes, batch| BenchArgs {
            record_bytes,
            conc: 1,
            batch,
            per: 5,
            canonicals: None,
            limit_s: 1.0,
            publisher: None,
        };
        assert!(check_batch(&args(60_000, 100)).is_err());
        assert!(check_batch(&args(5_000, 1_000)).is_err());
        for (record_bytes, batch) in [(300, 100), (300, 1_000), (60_000, 50)] {
            assert!(check_batch(&args(record_bytes, batch)).is_ok());
        }
    }
}
