//! The pipeline: batches of one source, side by side where they speak of different things, counted in their order.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque},
    io,
    sync::{Arc, Mutex, PoisonError},
    thread::available_parallelism,
};

use anyhow::Context;
use futures::{StreamExt, stream::FuturesOrdered};
use kittengrad_client::{Client, submit::SubmitOptions};
use kittengrad_client_core::map::Map;
use kittengrad_proto::id::{PublicKey, RecordId};
use kittengrad_service::clock::unix_ms;
use tokio::{
    sync::{mpsc, watch},
    task::{JoinError, spawn_blocking},
};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::task::AbortOnDropHandle;

use super::{
    Counts, Progress, Rejects,
    batch::{Batch, account},
    decide::{Decided, decide_all},
    rejects::Reject,
    sets::look_up,
    source::{OwnedLine, Source},
    state::{Set, Speaker},
};
use crate::output;

/// Refused lines of one source that are printed.
const REJECTS_TOLD_MAX: u64 = 20;
/// Batches that are looked up and submitted side by side.
const BATCHES_IN_FLIGHT: usize = 4;

/// A map with its publisher and options. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Job {
    client: Client,
    publisher: PublicKey,
    map: Arc<Map>,
    is_first_word: bool,
    /// In a dry run: the updates so far. Short-lived lock.
    said: Option<Arc<Mutex<HashMap<RecordId, Set>>>>,
    /// Short-lived lock.
    kept: Option<Arc<Mutex<Kept>>>,
}

/// The statements of the jobs' publishers about the canonicals of accepted lines: canonicals, and all
/// their updates.
pub(crate) type Kept = BTreeMap<RecordId, BTreeSet<RecordId>>;

/// The result of one source.
pub(crate) struct Loaded {
    pub(crate) counts: Counts,
    /// Errors of the whole source: it cannot be read to its end, or refused lines cannot be written.
    pub(crate) failures: Vec<anyhow::Error>,
}

impl Job {
    /// To load through `map` as `publisher`, which the client must speak for.
    pub(crate) fn new(client: Client, publisher: PublicKey, map: Map) -> Self {
        Self {
            client,
            publisher,
            map: Arc::new(map),
            is_first_word: false,
            said: None,
            kept: None,
        }
    }

    /// To decide everything and send nothing.
    pub(crate) fn dry(self) -> Self {
        Self {
            said: Some(Arc::default()),
            ..self
        }
    }

    /// Leaves canonicals alone about which the publisher has any statement.
    pub(crate) fn first_word(self) -> Self {
        Self {
            is_first_word: true,
            ..self
        }
    }

    /// Collects the statements that the network has at the end.
    pub(crate) fn keeping(self, kept: &Arc<Mutex<Kept>>) -> Self {
        Self {
            kept: Some(Arc::clone(kept)),
            ..self
        }
    }

    /// Looks up, decides and submits one batch.
    async fn run(self, file: Arc<str>, batch: Batch) -> anyhow::Result<(Counts, Vec<Reject>)> {
        let canonicals = batch.canonicals();
        let known = look_up(&self.client, &canonicals).await;
        let said = self.said_about(&canonicals);
        let speaker = Speaker {
            publisher: self.publisher,
            mode: self.map.mode(),
            is_first_word: self.is_first_word,
            now_ms: unix_ms(),
        };
        let Batch { lines, mapped } = batch;
        let decided = spawn_blocking(move || decide_all(&speaker, mapped, known, said)).await;
        let mut decided = decided.context("deciding failed")?;
        if self.said.is_none() {
            self.submit(&mut decided).await;
        }
        let counted = account(&file, lines, std::mem::take(&mut decided.fates));
        if let Some(kept) = &self.kept {
            let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            for (canonical, updates) in decided.said() {
                kept.entry(canonical).or_default().extend(updates);
            }
        }
        if let Some(said) = &self.said {
            said.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .extend(decided.changed());
        }
        Ok(counted)
    }

    fn said_about(&self, canonicals: &HashSet<RecordId>) -> HashMap<RecordId, Set> {
        let Some(said) = &self.said else {
            return HashMap::new();
        };
        let said = said.lock().unwrap_or_else(PoisonError::into_inner);
        canonicals
            .iter()
            .filter_map(|canonical| Some((*canonical, said.get(canonical)?.clone())))
            .collect()
    }

    /// Submits the changes. Lines whose transaction is not acknowledged are refused, to be loaded again.
    async fn submit(&self, decided: &mut Decided) {
        let drafts = std::mem::take(&mut decided.drafts);
        if drafts.is_empty() {
            return;
        }
        let outcomes = match self
            .client
            .submit(&self.publisher, drafts, SubmitOptions::default())
            .await
        {
            Ok(outcomes) => outcomes,
            Err(error) => return decided.refuse_all(&error.to_string()),
        };
        let mut refused = HashMap::new();
        for outcome in outcomes {
            let why = match outcome.result {
                Ok(submitted) if submitted.acknowledged => continue,
                Ok(submitted) => {
                    let disks = output::text::count(submitted.synced.len() as u64, "disk");
                    format!("not acknowledged: only {disks} have it so far; it replicates later")
                }
                Err(error) => error.to_string(),
            };
            let elements = outcome.transaction.elements();
            let updates = elements.filter_map(|element| element.update);
            refused.extend(updates.map(|update| (update, why.clone())));
        }
        decided.refuse(refused);
    }
}

/// A batch that is not done yet.
struct Flight {
    canonicals: HashSet<RecordId>,
    /// Closed when it is done.
    done: watch::Receiver<()>,
}

/// Loads one source to its end.
pub(crate) async fn load(
    job: &Job,
    source: Source,
    rejects: &mut Rejects,
    progress: &mut Progress,
) -> Loaded {
    let file: Arc<str> = source.name().into();
    let (sender, batches) = mpsc::channel(1);
    let reader = AbortOnDropHandle::new(spawn_blocking(move || source.send(&sender)));
    let mapped = ReceiverStream::new(batches).map(|lines| map(job, lines));
    let mut mapped = mapped.buffered(available_parallelism().map_or(1, usize::from));
    let (mut running, mut flights, mut is_read) =
        (FuturesOrdered::new(), VecDeque::<Flight>::new(), false);
    let mut loaded = Loaded {
        counts: Counts::default(),
        failures: Vec::new(),
    };
    loop {
        tokio::select! {
            biased;
            Some(done) = running.next() => {
                flights.pop_front();
                let done: Result<anyhow::Result<(Counts, Vec<Reject>)>, JoinError> = done;
                match done.context("a batch failed").flatten() {
                    Ok((counts, refused)) => loaded.account(&counts, &refused, rejects, progress),
                    Err(error) => loaded.failures.push(error),
                }
                progress.show(&loaded.counts);
            }
            batch = mapped.next(), if !is_read && running.len() < BATCHES_IN_FLIGHT => match batch {
                Some(Ok(batch)) => running.push_back(depart(job, &file, batch, &mut flights)),
                Some(Err(error)) => loaded.failures.push(error.context(format!("cannot read {file} to its end"))),
                None => is_read = true,
            },
            else => break,
        }
    }
    if let Err(error) = reader.await {
        loaded
            .failures
            .push(anyhow::Error::new(error).context(format!("cannot read {file} to its end")));
    }
    loaded
}

/// Maps the lines of a batch, on a blocking thread.
async fn map(job: &Job, lines: io::Result<Vec<OwnedLine>>) -> anyhow::Result<Batch> {
    let (lines, map) = (lines?, Arc::clone(&job.map));
    spawn_blocking(move || Batch::map(lines, &map))
        .await
        .context("mapping failed")
}

/// Starts a batch, which first waits for those before it that speak of the same things.
fn depart(
    job: &Job,
    file: &Arc<str>,
    batch: Batch,
    flights: &mut VecDeque<Flight>,
) -> AbortOnDropHandle<anyhow::Result<(Counts, Vec<Reject>)>> {
    let canonicals = batch.canonicals();
    let shared = flights
        .iter()
        .filter(|flight| !flight.canonicals.is_disjoint(&canonicals));
    let before: Vec<_> = shared.map(|flight| flight.done.clone()).collect();
    let (running, done) = watch::channel(());
    flights.push_back(Flight { canonicals, done });
    let (job, file) = (job.clone(), Arc::clone(file));
    AbortOnDropHandle::new(tokio::spawn(async move {
        let _running = running;
        for mut done in before {
            // Nothing is sent; the sender is dropped when the batch is done.
            while done.changed().await.is_ok() {}
        }
        job.run(file, batch).await
    }))
}

impl Loaded {
    /// Counts a batch, writes its refused lines, and reports progress.
    fn account(
        &mut self,
        counts: &Counts,
        refused: &[Reject],
        rejects: &mut Rejects,
        progress: &Progress,
    ) {
        let told_before = self.counts.refused;
        self.counts.add(counts);
        let mut told_max = REJECTS_TOLD_MAX;
        if let Err(error) = rejects.write(refused) {
            // There is no other copy of them.
            told_max = u64::MAX;
            let path = rejects.path().display();
            self.failures.push(anyhow::anyhow!(
                "cannot write refused lines to {path}: {error}"
            ));
        }
        for (number, reject) in (told_before..).zip(refused) {
            if number < told_max {
                progress.say(&reject.line_for_people());
            } else if number == told_max {
                let path = rejects.path().display();
                progress.say(&output::text::clean(&format!("more in {path}")));
            }
        }
    }
}
