//! A network of real processes in its own folder, and functions to drive it.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs::File,
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    time::Duration,
};

use kittengrad_support::wait::block_until;
use serde_json::Value;
use tempfile::TempDir;

/// The longest wait for a condition.
const PATIENCE: Duration = Duration::from_secs(120);

/// The program under test.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kittengrad"));
    command
        .env_remove("KITTENGRAD_CONFIG")
        .env("KITTENGRAD_LOG", "info");
    command
}

/// Runs a command that must end by itself. If it does not end, the test fails instead of waiting for ever. Standard
/// output goes where `command` sends it.
pub(crate) fn ends(command: &mut Command) -> Output {
    struct Running(Option<Child>);
    impl Drop for Running {
        fn drop(&mut self) {
            if let Some(child) = &mut self.0 {
                let _ = child.kill();
                let _ = child.wait();
            }
        }
    }
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    // Reads standard error while the process runs, because a full pipe would block it.
    let mut errors = child.stderr.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        errors.read_to_end(&mut bytes).map(|_| bytes)
    });
    let mut running = Running(Some(child));
    until("the command ends by itself", || {
        running.0.as_mut().unwrap().try_wait().unwrap().is_some()
    });
    let output = running.0.take().unwrap().wait_with_output().unwrap();
    Output {
        stderr: reader.join().unwrap().unwrap(),
        ..output
    }
}

/// One process of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Process {
    /// A peer, by its number from 1.
    Peer(usize),
    Aggregator,
    Indexer,
}

/// A prepared network with some of its processes running.
pub(crate) struct Network {
    dir: TempDir,
    is_kept: bool,
    peers: usize,
    running: BTreeMap<Process, Child>,
}

impl Network {
    /// Prepares a network with a number of peers, and starts nothing.
    pub(crate) fn prepare(peers: usize) -> Self {
        let dir = TempDir::new().unwrap();
        let network = Self {
            dir,
            is_kept: false,
            peers,
            running: BTreeMap::new(),
        };
        let prepared = program()
            .args(["demo", "--prepare", "--peers", &peers.to_string(), "--dir"])
            .arg(network.path())
            .output()
            .unwrap();
        assert!(prepared.status.success(), "{}", text(&prepared));
        network
    }

    /// Prepares a network and starts all its peers.
    pub(crate) fn with_peers(peers: usize) -> Self {
        let mut network = Self::prepare(peers);
        for number in 1..=peers {
            network.start(Process::Peer(number));
        }
        network.until_ready();
        network
    }

    /// Prepares a network and starts all processes.
    pub(crate) fn whole(peers: usize) -> Self {
        let mut network = Self::with_peers(peers);
        network.start(Process::Aggregator);
        network.start(Process::Indexer);
        network.until_ready();
        network
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The folder of a process.
    pub(crate) fn folder(&self, process: Process) -> PathBuf {
        match process {
            Process::Peer(number) => self.path().join(format!("peers/{number}")),
            Process::Aggregator => self.path().join("aggregator"),
            Process::Indexer => self.path().join("indexer"),
        }
    }

    fn command(&self, process: Process) -> Command {
        let file = match process {
            Process::Peer(_) => "peer.toml",
            Process::Aggregator => "aggregator.toml",
            Process::Indexer => "indexer.toml",
        };
        self.command_with(process, file)
    }

    /// A command for a process of the same role with another configuration file of its folder.
    pub(crate) fn command_with(&self, process: Process, file: &str) -> Command {
        let role = match process {
            Process::Peer(_) => "peer",
            Process::Aggregator => "aggregator",
            Process::Indexer => "indexer",
        };
        let mut command = program();
        command
            .args([role, "run", "--config"])
            .arg(self.folder(process).join(file));
        command
    }

    /// Starts a process; its log goes to its folder.
    pub(crate) fn start(&mut self, process: Process) {
        let path = self.folder(process).join("log");
        let log = File::options()
            .create(true)
            .append(true)
            .open(path)
            .unwrap();
        let child = self
            .command(process)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.running.insert(process, child);
    }

    /// Runs a process that should end by itself. Returns its output.
    pub(crate) fn run_to_end(&self, process: Process) -> Output {
        self.command(process).output().unwrap()
    }

    /// Kills a process with SIGKILL.
    pub(crate) fn kill(&mut self, process: Process) {
        let mut child = self.running.remove(&process).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, process: Process, name: &str) {
        let id = self.running[&process].id().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status();
        assert!(sent.unwrap().success());
    }

    /// Whether a process was started and has not been seen to end.
    pub(crate) fn runs(&self, process: Process) -> bool {
        self.running.contains_key(&process)
    }

    /// The exit status of a process that ended by itself, if it did.
    pub(crate) fn ended(&mut self, process: Process) -> Option<ExitStatus> {
        let ended = self.running.get_mut(&process)?.try_wait().unwrap()?;
        self.running.remove(&process);
        Some(ended)
    }

    /// Keeps the folder if the test fails.
    pub(crate) const fn keep_if_it_fails(&mut self) {
        self.is_kept = true;
    }

    /// Asks a process to end and waits for it. Its exit code must be 0.
    pub(crate) fn stop(&mut self, process: Process) {
        let mut child = self.running.remove(&process).unwrap();
        let asked = Command::new("kill")
            .arg(child.id().to_string())
            .status()
            .unwrap();
        assert!(asked.success());
        let status = child.wait().unwrap();
        assert!(
            status.success(),
            "{process:?} ended with {status}: {}",
            self.log(process)
        );
    }

    /// Waits until every running process is ready.
    pub(crate) fn until_ready(&mut self) {
        let running: Vec<_> = self.running.keys().copied().collect();
        for process in running {
            let url = self.http(process);
            until(&format!("{process:?} is ready"), || {
                if let Some(status) = self.running.get_mut(&process).unwrap().try_wait().unwrap() {
                    panic!("{process:?} ended with {status}: {}", self.log(process));
                }
                reqwest_ready(&url)
            });
        }
    }

    pub(crate) fn log(&self, process: Process) -> String {
        std::fs::read_to_string(self.folder(process).join("log")).unwrap_or_default()
    }

    /// The address of a process's pages, "http://host:port".
    pub(crate) fn http(&self, process: Process) -> String {
        let members = self.health();
        let index = match process {
            Process::Peer(number) => {
                let id = self.peer_id(number);
                members
                    .iter()
                    .position(|member| member["id"] == id.as_str())
            }
            Process::Aggregator => members
                .iter()
                .position(|member| member["role"] == "aggregator"),
            Process::Indexer => members
                .iter()
                .position(|member| member["role"] == "indexer"),
        };
        members[index.unwrap()]["http"].as_str().unwrap().to_owned()
    }

    fn health(&self) -> Vec<Value> {
        lines(&self.cli(&["health"]))
    }

    /// The ids and addresses of the prepared network.
    pub(crate) fn described(&self) -> Value {
        let described = program()
            .args(["demo", "--prepare", "--json", "--dir"])
            .arg(self.path())
            .output();
        lines(&described.unwrap()).remove(0)
    }

    /// The id of a peer, by its number.
    pub(crate) fn peer_id(&self, number: usize) -> String {
        self.described()["peers"][number - 1]["id"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// The ids of all peers.
    pub(crate) fn peer_ids(&self) -> Vec<String> {
        (1..=self.peers)
            .map(|number| self.peer_id(number))
            .collect()
    }

    /// Runs a command with `--json` and the client's configuration.
    pub(crate) fn cli(&self, args: &[&str]) -> Output {
        self.cli_command(args).output().unwrap()
    }

    /// The same command, not started yet.
    pub(crate) fn cli_command(&self, args: &[&str]) -> Command {
        let mut command = program();
        command
            .args(args)
            .arg("--json")
            .arg("--config")
            .arg(self.path().join("client.toml"));
        command
    }

    /// Runs a command that must succeed, and returns its lines.
    pub(crate) fn ok(&self, args: &[&str]) -> Vec<Value> {
        let output = self.cli(args);
        assert!(output.status.success(), "{args:?}: {}", text(&output));
        lines(&output)
    }

    /// Writes a file into the network's folder and returns its path.
    pub(crate) fn file(&self, name: &str, content: &str) -> String {
        let path = self.path().join(name);
        File::create(&path)
            .unwrap()
            .write_all(content.as_bytes())
            .unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// A file of made-up works, one a line, and the map for it.
    pub(crate) fn works(&self, count: usize) -> (String, String) {
        let mut works = String::new();
        for number in 0..count {
            let artist = number % 37;
            writeln!(
                works,
                r#"{{"id":{number},"title":"Work number {number}","artist":{artist},"width":{number}.5}}"#
            )
            .unwrap();
        }
        let map = r#"
            publisher = "atlas"
            type = "artefact"
            id = "made:work:{/id}"
            name = "/title"
            mode = "replace"
            [[link]]
            rel = "createdBy"
            each = "/artist"
            to = { type = "entity", id = "made:artist:{}" }
        "#;
        (
            self.file("works.ndjson", &works),
            self.file("works.toml", map),
        )
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for child in self.running.values_mut() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            if self.is_kept {
                self.dir.disable_cleanup(true);
                eprintln!("--- the network's folder is {}", self.path().display());
            }
            for process in (1..=self.peers)
                .map(Process::Peer)
                .chain([Process::Aggregator, Process::Indexer])
            {
                let log = self.log(process);
                let tail: Vec<_> = log.lines().rev().take(15).collect();
                eprintln!("--- {process:?}");
                tail.iter().rev().for_each(|line| eprintln!("{line}"));
            }
        }
    }
}

fn reqwest_ready(url: &str) -> bool {
    let output = program().args(["health", "--http", url]).output().unwrap();
    output.status.success()
}

/// Standard output as JSON, line by line.
pub(crate) fn lines(output: &Output) -> Vec<Value> {
    let text = std::str::from_utf8(&output.stdout).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
        .collect()
}

/// The exit status, standard output and standard error of a command.
pub(crate) fn text(output: &Output) -> String {
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    format!("{} {out} {err}", output.status)
}

/// Waits until a condition holds, with a deadline.
pub(crate) fn until(condition: &str, holds: impl FnMut() -> bool) {
    block_until(condition, PATIENCE, holds);
}
