//! The director: strikes again and again, restarts dead processes, and follows a process after a loss until it is
//! whole.

use std::{
    collections::BTreeMap,
    sync::Arc,
    thread::sleep,
    time::{Duration, Instant},
};

use kittengrad_client::Client;
use kittengrad_sim::Random;
use serde_json::Value;
use tokio::{runtime::Runtime, task::JoinHandle};

use super::{
    history::History,
    machines::{Machines, RESERVE_MIB, everybody},
    plan::{Blow, Deck, Loss, blows, losses},
    tally::Tally,
};
use crate::harness::Process;

/// The pause between two looks at the network.
const LOOK: Duration = Duration::from_millis(30);
/// The longest time after a loss until the process has everything again.
pub(super) const HEALING: Duration = Duration::from_secs(240);
/// Ends of a process by itself after one loss, at most.
const ENDS_MAX: u32 = 12;
/// After this many ends of an indexer its data is moved away, as its message asks.
const PATIENT_ENDS: u32 = 2;

/// The size of one run, and its seed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub(super) seed: u64,
    pub(super) blows: u64,
    pub(super) flips: u64,
}

/// A process whose disk lost data, until it is known to be whole again.
pub(super) struct Lost {
    pub(super) process: Process,
    pub(super) loss: Loss,
    pub(super) since: Instant,
    /// Ends of the process by itself since the loss.
    pub(super) ends: u32,
    /// The task that reads everything of the process.
    pub(super) reading: Option<JoinHandle<Result<(), String>>>,
}

/// A full disk, and until when it stays full.
struct Full {
    until: Instant,
    has_ended: bool,
}

pub(super) struct Director<'a> {
    pub(super) machines: &'a mut Machines,
    pub(super) runtime: &'a Runtime,
    pub(super) client: Client,
    pub(super) history: Arc<History>,
    pub(super) random: Random,
    pub(super) tally: Tally,
    wanted: Wanted,
    blows: Deck<Blow>,
    losses: Deck<Loss>,
    /// The restart times of dead processes.
    pub(super) dead: BTreeMap<Process, Instant>,
    /// The resume times of paused processes.
    paused: BTreeMap<Process, Instant>,
    pub(super) lost: Option<Lost>,
    full: Option<Full>,
    next_blow: Instant,
    next_loss: Instant,
    next_word: Instant,
}

impl<'a> Director<'a> {
    pub(super) fn new(
        machines: &'a mut Machines,
        runtime: &'a Runtime,
        client: Client,
        history: Arc<History>,
        wanted: Wanted,
    ) -> Self {
        let now = Instant::now();
        Self {
            machines,
            runtime,
            client,
            history,
            random: Random::branch(wanted.seed, 3),
            tally: Tally::new(wanted.blows, wanted.flips),
            wanted,
            blows: blows(wanted.seed),
            losses: losses(wanted.seed),
            dead: BTreeMap::new(),
            paused: BTreeMap::new(),
            lost: None,
            full: None,
            next_blow: now + Duration::from_secs(1),
            next_loss: now + Duration::from_secs(3),
            next_word: now,
        }
    }

    /// Strikes as often as wanted. Returns when all losses are healed and all processes run again.
    pub(super) fn run(mut self) -> Tally {
        loop {
            self.look();
            let has_struck = self.tally.blows >= self.wanted.blows;
            let has_lost = self.tally.flips >= self.wanted.flips;
            let is_quiet = self.lost.is_none()
                && self.full.is_none()
                && self.dead.is_empty()
                && self.paused.is_empty();
            if has_struck && has_lost && is_quiet {
                self.word();
                return self.tally;
            }
            let now = Instant::now();
            // Keeps blows and flips in step, so that both end at about the same time.
            let is_ahead = self.tally.blows * self.wanted.flips.max(1)
                > (self.tally.flips + 1) * self.wanted.blows.max(1);
            if !has_struck && now >= self.next_blow && (!is_ahead || has_lost) {
                self.strike();
                self.next_blow = Instant::now() + self.within_ms(200, 1_800);
            }
            if !has_lost && self.lost.is_none() && now >= self.next_loss {
                self.lose();
                self.next_loss = Instant::now() + self.within_ms(300, 1_500);
            }
            if now >= self.next_word {
                self.word();
                self.next_word = now + Duration::from_secs(10);
            }
            sleep(LOOK);
        }
    }

    /// Prints the progress.
    fn word(&mut self) {
        let about = match &self.lost {
            Some(lost) => format!("{:?} of {:?}", lost.loss, lost.process),
            None => "nothing".to_owned(),
        };
        self.tally.word(&self.history, &about);
    }

    /// Handles everything that is due.
    fn look(&mut self) {
        self.look_for_ends();
        let now = Instant::now();
        let due = |times: &BTreeMap<Process, Instant>| -> Vec<Process> {
            let due = times.iter().filter(|(_, at)| **at <= now);
            due.map(|(process, _)| *process).collect()
        };
        for process in due(&self.paused) {
            self.paused.remove(&process);
            if self.machines.network.runs(process) {
                self.machines.network.signal(process, "CONT");
            }
        }
        for process in due(&self.dead) {
            self.dead.remove(&process);
            self.machines.network.start(process);
        }
        self.look_at_full();
        self.look_after();
        if let Some(violation) = self.history.violation() {
            panic!("{violation}");
        }
    }

    /// Handles processes that ended by themselves. Only a loss or a full disk allows that.
    fn look_for_ends(&mut self) {
        for process in everybody() {
            let Some(status) = self.machines.network.ended(process) else {
                continue;
            };
            self.tally.ends += 1;
            let why = self.last_words(process);
            self.history
                .strikes(&format!("{process:?} ends with {status}: {why}"));
            self.tally.print(&format!("{process:?} ends: {why}"));
            assert!(
                status.code().is_some_and(|code| code == 1),
                "{process:?} ended with {status}: {why}"
            );
            let is_full = self.full.as_mut().is_some_and(|full| {
                let is_it = Some(process) == self.machines.small.as_ref().map(|(of, _)| *of);
                full.has_ended |= is_it;
                is_it
            });
            // The process may take a while to end, and the disk may have space again by then.
            let is_full = is_full || why.contains("No space left on device");
            let has_lost = self.ends_after_a_loss(process);
            assert!(
                is_full || has_lost,
                "{process:?} ended by itself, with its disk whole: {why}"
            );
            let at = Instant::now() + self.within_ms(100, 1_000);
            self.dead.insert(process, at);
        }
    }

    /// Counts the ends of a process after a loss. An indexer that cannot read its data and asks to have it moved away
    /// gets that help.
    fn ends_after_a_loss(&mut self, process: Process) -> bool {
        let Some(lost) = self.lost.as_mut().filter(|lost| lost.process == process) else {
            return false;
        };
        lost.ends += 1;
        assert!(
            lost.ends <= ENDS_MAX,
            "{process:?} ends again and again after {:?}",
            lost.loss
        );
        if process == Process::Indexer && lost.ends >= PATIENT_ENDS {
            self.tally.moved_away += 1;
            self.history.loses(self.machines.node(process));
            super::disks::wipe(&self.machines.data(process));
        }
        true
    }

    pub(super) fn last_words(&self, process: Process) -> String {
        let log = self.machines.network.log(process);
        log.lines().last().unwrap_or_default().to_owned()
    }

    fn strike(&mut self) {
        let blow = self.blows.draw();
        let spared = self.lost.as_ref().filter(|lost| lost.reading.is_some());
        let mut victims = self.machines.running();
        victims.retain(|process| {
            let is_spared = spared.is_some_and(|lost| lost.process == *process);
            !is_spared && !self.paused.contains_key(process)
        });
        if victims.is_empty() {
            return;
        }
        let has_struck = match blow {
            Blow::Kill => self.kill(&victims, 1),
            Blow::KillTwo => self.kill(&victims, 2),
            Blow::KillAll => self.kill(&victims, victims.len()),
            Blow::Pause => self.pause(&victims),
            Blow::Second => self.second(&victims),
            Blow::LittleRoom => self.fill(RESERVE_MIB * 1024 * 1024 / 2, 4_000),
            Blow::NoRoom => self.starve(),
        };
        if has_struck {
            self.tally.strikes(blow);
        }
    }

    fn kill(&mut self, victims: &[Process], count: usize) -> bool {
        let mut victims = victims.to_vec();
        let at = Instant::now();
        for _ in 0..count.min(victims.len()) {
            let victim = victims.swap_remove(self.random.next() as usize % victims.len());
            self.kill_one(victim);
            let pause = if self.random.permille(150) {
                self.within_ms(2_000, 6_000)
            } else {
                self.within_ms(20, 1_500)
            };
            self.dead.insert(victim, at + pause);
        }
        true
    }

    pub(super) fn kill_one(&mut self, victim: Process) {
        self.history.strikes(&format!("kill of {victim:?}"));
        self.paused.remove(&victim);
        self.machines.network.kill(victim);
    }

    fn pause(&mut self, victims: &[Process]) -> bool {
        let victim = self.random.pick(victims);
        self.history.strikes(&format!("pause of {victim:?}"));
        self.machines.network.signal(victim, "STOP");
        let until = Instant::now() + self.within_ms(200, 7_000);
        self.paused.insert(victim, until);
        true
    }

    /// Starts a second process for the directory of a running one. The second must refuse, and the first must continue.
    fn second(&mut self, victims: &[Process]) -> bool {
        let victim = self.random.pick(victims);
        let is_lost = self
            .lost
            .as_ref()
            .is_some_and(|lost| lost.process == victim);
        // A process that has just started may not have locked the directory yet.
        if is_lost || self.is_full(victim) || self.status(victim).is_none() {
            return false;
        }
        self.history
            .strikes(&format!("second process for {victim:?}"));
        let ended = self.machines.second(victim);
        if self.machines.network.ended(victim).is_some() {
            panic!("{victim:?} ended when a second process came");
        }
        let (status, stderr) = ended.expect("a second process for a directory ends");
        assert!(
            status.code() == Some(1) && stderr.contains("in use by another process"),
            "the second process ended with {status}: {stderr}"
        );
        true
    }

    fn fill(&mut self, free: u64, for_ms: u64) -> bool {
        let Some((process, disk)) = &self.machines.small else {
            return false;
        };
        let is_lost = self
            .lost
            .as_ref()
            .is_some_and(|lost| lost.process == *process);
        if is_lost || self.full.is_some() || !self.machines.network.runs(*process) {
            return false;
        }
        self.history
            .strikes(&format!("{free} bytes are free below {process:?}"));
        disk.fill(free);
        let until = Instant::now() + Duration::from_millis(for_ms);
        self.full = Some(Full {
            until,
            has_ended: false,
        });
        true
    }

    /// Fills a peer's disk completely and kills the peer, which must then start without any space.
    fn starve(&mut self) -> bool {
        if !self.fill(0, 12_000) {
            return false;
        }
        if let Some(process) = self.machines.small.as_ref().map(|(process, _)| *process) {
            self.kill_one(process);
            let at = Instant::now() + self.within_ms(20, 1_000);
            self.dead.insert(process, at);
        }
        true
    }

    /// Frees the full disk at its time, or once its process ended because of it.
    fn look_at_full(&mut self) {
        let Some(full) = &self.full else {
            return;
        };
        if full.has_ended || Instant::now() >= full.until {
            self.tally.ends_for_room += u64::from(full.has_ended);
            let (process, disk) = self.machines.small.as_ref().expect("a disk is full");
            disk.free();
            self.history
                .strikes(&format!("there is room below {process:?}"));
            self.full = None;
        }
    }

    /// Whether the disk of a process is the full one.
    pub(super) fn is_full(&self, process: Process) -> bool {
        let small = self.machines.small.as_ref().map(|(of, _)| *of);
        self.full.is_some() && small == Some(process)
    }

    /// The processes that a loss may strike now.
    pub(super) fn candidates(&self, loss: Loss) -> Vec<Process> {
        let mut all = match loss {
            Loss::FlipPeer | Loss::WipePeer => everybody(),
            Loss::FlipAggregator | Loss::WipeAggregator => vec![Process::Aggregator],
            Loss::FlipIndexer | Loss::WipeIndexer => vec![Process::Indexer],
        };
        if matches!(loss, Loss::FlipPeer | Loss::WipePeer) {
            all.retain(|process| matches!(process, Process::Peer(_)));
        }
        all.retain(|process| !self.is_full(*process));
        all
    }

    pub(super) fn draw_loss(&mut self) -> Loss {
        self.losses.draw()
    }

    pub(super) fn within_ms(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(self.random.within(from..=to))
    }

    /// The status page of a process; `None` if the process is down or paused.
    pub(super) fn status(&self, process: Process) -> Option<Value> {
        if !self.machines.network.runs(process) || self.paused.contains_key(&process) {
            return None;
        }
        let url = &self.machines.urls[&process];
        let asked = async {
            let patience = Duration::from_millis(500);
            tokio::time::timeout(patience, super::read::status(url)).await
        };
        self.runtime.block_on(asked).ok().flatten()
    }
}
