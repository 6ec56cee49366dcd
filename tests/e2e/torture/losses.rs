//! Losses of disks, one at a time: at most W-1 disks of a cell may have lost data, and W is 2.

use std::{sync::Arc, time::Instant};

use super::{
    director::{Director, HEALING, Lost},
    disks, read,
};
use crate::harness::Process;

impl Director<'_> {
    /// Kills a process, and flips a bit on its disk or wipes the disk.
    pub(super) fn lose(&mut self) {
        let loss = self.draw_loss();
        let candidates = self.candidates(loss);
        if candidates.is_empty() {
            return;
        }
        let process = self.random.pick(&candidates);
        if self.machines.network.runs(process) {
            self.kill_one(process);
        }
        let at = Instant::now() + self.within_ms(50, 800);
        self.dead.insert(process, at);
        let data = self.machines.data(process);
        if !data.exists() {
            return;
        }
        let change = if loss.is_flip() {
            let Some(flip) = disks::flip(&data, &mut self.random) else {
                return;
            };
            let file = flip.file.strip_prefix(&data).unwrap_or(&flip.file);
            format!(
                "bit {} of byte {} of {} flips",
                flip.bit,
                flip.at,
                file.display()
            )
        } else {
            disks::wipe(&data);
            "everything is gone".to_owned()
        };
        self.history.strikes(&format!("{process:?}: {change}"));
        self.tally.loses(loss, &format!("{process:?}: {change}"));
        self.history.loses(self.machines.node(process));
        self.lost = Some(Lost {
            process,
            loss,
            since: Instant::now(),
            ends: 0,
            reading: None,
        });
    }

    /// Follows a process after a loss: once it is settled, everything that it has is read. The reading finds any
    /// damage; then the process fills a new store and is read again.
    pub(super) fn look_after(&mut self) {
        let Some(mut lost) = self.lost.take() else {
            return;
        };
        let process = lost.process;
        assert!(
            lost.since.elapsed() < HEALING,
            "{process:?} is not whole within {HEALING:?} of {:?}: {:?}; {}",
            lost.loss,
            self.status(process),
            self.last_words(process)
        );
        let runs = self.machines.network.runs(process);
        match lost.reading.take() {
            Some(reading) if !runs => reading.abort(),
            Some(reading) if reading.is_finished() => {
                let read = self.runtime.block_on(reading).unwrap();
                if let Err(why) = read {
                    panic!("{process:?} after {:?}: {why}", lost.loss);
                }
                let aside = disks::remove_aside(&self.machines.data(process));
                self.tally.heals(lost.loss, aside, lost.ends);
                self.history.heals(self.machines.node(process));
                self.history.strikes(&format!("{process:?} is whole"));
                return;
            }
            Some(reading) => lost.reading = Some(reading),
            None if runs && self.is_settled(process) => lost.reading = Some(self.read(process)),
            None => {}
        }
        self.lost = Some(lost);
    }

    fn is_settled(&self, process: Process) -> bool {
        let Some(status) = self.status(process) else {
            return false;
        };
        !matches!(process, Process::Peer(_)) || status["state"] == "settled"
    }

    fn read(&self, process: Process) -> tokio::task::JoinHandle<Result<(), String>> {
        let history = Arc::clone(&self.history);
        if process == Process::Indexer {
            let url = self.machines.urls[&process].clone();
            return self.runtime.spawn(read::index(history, url));
        }
        let (node, key) = (self.machines.node(process), self.machines.keys[&process]);
        let client = self.client.clone();
        self.runtime.spawn(read::member(client, history, node, key))
    }
}
