//! Clients that write and read all the time during faults.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use ipld_core::ipld::Ipld;
use kittengrad_client::{
    Client,
    lookup::Consistency,
    submit::{Ack, Draft, GroupLimits, Prepared, SubmitOptions},
    subscribe::{Bodies, Event, Start, SubscribeError, SubscribeOptions},
};
use kittengrad_proto::{
    id::{PublicKey, RecordId},
    record::{Canonical, CanonicalType, Record, Update},
};
use kittengrad_sim::{Node, Random};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

use super::history::History;

/// Clients that write.
const WRITERS: u64 = 3;
/// Clients that ask several replicas at once.
const READERS: u64 = 2;
/// Canonicals of all writers, at most. Then writers only update, and more slowly, because readers read the whole set
/// again and again.
const CANONICALS_MAX: usize = 2_500;
/// Transactions with an unknown outcome that a writer keeps to send again, at most.
const KEPT_MAX: usize = 16;

/// All clients of the network. Dropping it ends them.
pub(super) struct Load {
    tasks: JoinSet<()>,
}

impl Load {
    /// Starts all clients. Must be called within a runtime.
    pub(super) fn start(
        client: &Client,
        history: &Arc<History>,
        members: &BTreeMap<Node, PublicKey>,
        seed: u64,
    ) -> Self {
        let mut tasks = JoinSet::new();
        for number in 0..WRITERS {
            let random = Random::branch(seed, 100 + number);
            let writer = Writer::new(client.clone(), Arc::clone(history), random, number);
            tasks.spawn(writer.run());
        }
        for number in 0..READERS {
            let random = Random::branch(seed, 200 + number);
            tasks.spawn(read(client.clone(), Arc::clone(history), random));
        }
        for (salt, (node, key)) in (300..).zip(members) {
            let random = Random::branch(seed, salt);
            let (node, key) = (*node, *key);
            let reading = read_one(client.clone(), Arc::clone(history), random, node, key);
            tasks.spawn(reading);
            tasks.spawn(tail(client.clone(), Arc::clone(history), key));
        }
        Self { tasks }
    }

    /// Ends all clients at once.
    pub(super) async fn stop(mut self) {
        self.tasks.shutdown().await;
    }
}

/// A client that writes, and sends unacknowledged transactions again.
struct Writer {
    client: Client,
    history: Arc<History>,
    random: Random,
    number: u64,
    updates: u64,
    canonicals: Vec<Record>,
    kept: VecDeque<Prepared>,
}

impl Writer {
    const fn new(client: Client, history: Arc<History>, random: Random, number: u64) -> Self {
        Self {
            client,
            history,
            random,
            number,
            updates: 0,
            canonicals: Vec::new(),
            kept: VecDeque::new(),
        }
    }

    async fn run(mut self) {
        loop {
            let tosses = self.random.permille(500);
            let again = if tosses { self.kept.pop_front() } else { None };
            match again {
                Some(prepared) => self.send(prepared).await,
                None => self.write_new().await,
            }
            let pause_ms = if self.canonicals.len() * WRITERS as usize > CANONICALS_MAX {
                self.random.within(300..=900)
            } else {
                self.random.within(20..=160)
            };
            sleep(Duration::from_millis(pause_ms)).await;
        }
    }

    async fn write_new(&mut self) {
        let publishers = self.client.publishers();
        let publisher = publishers[self.random.next() as usize % publishers.len()].key();
        let count = self.random.within(1..=4);
        let drafts: Vec<_> = (0..count).map(|_| self.draft(publisher)).collect();
        let prepared = self
            .client
            .prepare(&publisher, drafts, GroupLimits::default())
            .unwrap();
        for prepared in prepared {
            self.history.says(prepared.transaction());
            self.send(prepared).await;
        }
    }

    async fn send(&mut self, prepared: Prepared) {
        let is_all = self.random.permille(60);
        let options = SubmitOptions {
            ack: if is_all { Ack::All } else { Ack::Quorum },
            receipt: true,
            ..SubmitOptions::default()
        };
        let asked_us = self.history.now_us();
        let patience = if self.random.permille(30) {
            // Acts as a client that dies before it hears the outcome.
            Duration::from_millis(self.random.within(0..=40))
        } else {
            Duration::MAX
        };
        let transaction = prepared.transaction();
        let Ok(told) = timeout(patience, self.client.send(&prepared, options)).await else {
            let gone = Err("nobody waits for it".to_owned());
            self.history.is_told(transaction, asked_us, gone);
            return;
        };
        let known = told.as_ref().map_err(ToString::to_string);
        self.history.is_told(transaction, asked_us, known);
        if told
            .as_ref()
            .is_ok_and(|told| told.acknowledged && told.receipt.is_none())
        {
            let id = transaction.id();
            self.history
                .violates(format!("{id} was acknowledged without a receipt"));
        }
        if !told.is_ok_and(|told| told.acknowledged) {
            self.kept.push_back(prepared);
            if self.kept.len() > KEPT_MAX {
                self.kept.pop_front();
            }
        }
    }

    /// Drafts a new canonical, or updates of a known one.
    fn draft(&mut self, publisher: PublicKey) -> Draft {
        let is_new = self.canonicals.is_empty()
            || self.canonicals.len() * (WRITERS as usize) < CANONICALS_MAX
                && self.random.permille(400);
        if is_new {
            let name = format!("torture:{}:{}", self.number, self.canonicals.len());
            let canonical = Canonical::identified(CanonicalType::Artefact, name);
            self.canonicals.push(Record::Canonical(canonical));
        }
        let at = if is_new {
            self.canonicals.len() - 1
        } else {
            self.random.next() as usize % self.canonicals.len()
        };
        let mut draft = Draft::insert(&self.canonicals[at]).unwrap();
        let exists = self.history.is_acknowledged(&draft.canonical);
        if exists && self.random.permille(700) {
            draft.insert = None;
        }
        let updates = if draft.insert.is_some() {
            self.random.within(0..=2)
        } else {
            self.random.within(1..=2)
        };
        for _ in 0..updates {
            let update = self.update(draft.canonical, publisher);
            draft.updates.push(update.encode().unwrap());
        }
        draft
    }

    /// Some updates are large enough to get files of their own in the store.
    fn update(&mut self, reference: RecordId, publisher: PublicKey) -> Record {
        self.updates += 1;
        let length = match self.random.within(0..=9) {
            0 => 9_000,
            1..=3 => 1_500,
            _ => 60,
        };
        // One in ten repeats an earlier number.
        let serial = if self.random.permille(100) {
            self.random.within(1..=self.updates)
        } else {
            self.updates
        };
        let mut text = format!("{}:{serial} ", self.number);
        text.push_str(&"all work and no play ".repeat(length / 20));
        Record::Update(Update {
            reference,
            publisher,
            timestamp_ms: serial,
            name: Some(format!("thing {serial}")),
            meta: BTreeMap::from([("text".to_owned(), Ipld::String(text))]),
            previous: Vec::new(),
            links: Vec::new(),
            salt: None,
        })
    }
}

/// Draws a canonical of the history.
fn any(history: &History, random: &mut Random) -> Option<RecordId> {
    let canonicals = history.canonicals();
    (!canonicals.is_empty()).then(|| random.pick(&canonicals))
}

/// Looks up canonicals at several replicas.
async fn read(client: Client, history: Arc<History>, mut random: Random) {
    loop {
        sleep(Duration::from_millis(random.within(30..=150))).await;
        let Some(canonical) = any(&history, &mut random) else {
            continue;
        };
        let consistency = match random.within(0..=9) {
            0 => Consistency::One,
            1 => Consistency::All,
            _ => Consistency::Quorum,
        };
        let (began_us, records) = (history.now_us(), random.permille(300));
        if let Ok(found) = client.lookup(&[canonical], consistency, records).await {
            for answer in &found.answers {
                history.looks(answer, began_us);
            }
        }
    }
}

/// Looks up canonicals at one member, one question after another, so that the answers have an order.
async fn read_one(
    client: Client,
    history: Arc<History>,
    mut random: Random,
    node: Node,
    key: PublicKey,
) {
    loop {
        sleep(Duration::from_millis(random.within(50..=250))).await;
        let Some(canonical) = any(&history, &mut random) else {
            continue;
        };
        let is_held = client
            .view()
            .holders(&canonical)
            .iter()
            .any(|holder| holder.key == key);
        if !is_held && node != Node::Aggregator {
            continue;
        }
        let turn = history.turn(node);
        let _mine = turn.lock().await;
        if let Ok(found) = client.lookup_at(&key, &[canonical], false).await {
            for answer in &found.answers {
                history.shows(node, answer);
            }
        }
    }
}

/// Follows a journal for ever. Starts again at its beginning if the subscription cannot continue.
async fn tail(client: Client, history: Arc<History>, source: PublicKey) {
    let mut last = None;
    loop {
        let options = SubscribeOptions {
            start: last.clone().map_or(Start::Genesis, Start::Resume),
            bodies: Bodies::None,
            follow: true,
            give_up_after: None,
            own_head: None,
        };
        let mut events = client.subscribe(source, options);
        while let Some(event) = events.next().await {
            match event {
                Ok(Event::Block(block)) => {
                    history.sees(&block.header);
                    last = Some(block.resume());
                }
                Ok(_) => {}
                Err(SubscribeError::Tampered(fault)) => {
                    history.violates(format!(
                        "{source:?} shows a block that does not verify: {fault}"
                    ));
                }
                Err(_) => last = None,
            }
        }
        sleep(Duration::from_millis(200)).await;
    }
}
