//! One test binary, and its outcome under a mutant.

use std::{
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;

use crate::weave::VARIABLE;

/// The address space of a test binary, in KiB. A mutant must not take all memory of the machine.
const MEMORY_KIB_MAX: u64 = 6 << 20;

/// Cases of each law in a run with [`Extent::FewCases`].
const FEW_CASES: &str = "12";

/// The tests of a binary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tests {
    /// The tests of the pure crate in this folder.
    Own(&'static str),
    /// The stories of the simulator, which run all pure crates together.
    Stories,
}

/// A test binary.
#[derive(Debug, Clone)]
pub struct Suite {
    /// The name of the test target, such as `laws`.
    pub name: String,
    /// The binary.
    pub path: PathBuf,
    /// The folder of its package, and its working directory.
    pub folder: PathBuf,
    /// The tests that it contains.
    pub tests: Tests,
    /// Parts of names of tests to skip.
    pub skipped: &'static [&'static str],
}

/// The part of a suite to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent<'a> {
    /// All tests.
    All,
    /// All tests, with a few cases of each law.
    FewCases,
    /// The test of this name.
    One(&'a str),
}

/// The outcome of a test binary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// All tests passed.
    Passed,
    /// A test failed, the first one by its name.
    Failed(String),
    /// The process ended without naming a test.
    Ended(String),
    /// The process did not end in time.
    TooLong,
}

impl Suite {
    /// Runs tests until one fails. `number` is the mutant that is on, if any.
    ///
    /// # Errors
    /// The binary cannot be started.
    pub fn run(
        &self,
        number: Option<usize>,
        extent: Extent<'_>,
        patience: Duration,
    ) -> anyhow::Result<Outcome> {
        let mut child = self.start(number, extent)?;
        let stdout = child.stdout.take().context("a test has no output")?;
        let (send, lines) = mpsc::channel();
        let reader = thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    break;
                }
            }
        });
        let until = Instant::now() + patience;
        let outcome = loop {
            let left = until.saturating_duration_since(Instant::now());
            match lines.recv_timeout(left) {
                Ok(line) => {
                    if let Some(name) = failed(&line) {
                        break Some(Outcome::Failed(name.to_owned()));
                    }
                }
                Err(RecvTimeoutError::Timeout) => break Some(Outcome::TooLong),
                Err(RecvTimeoutError::Disconnected) => break None,
            }
        };
        if outcome.is_some() {
            // The process may have ended by itself in the meantime.
            child.kill().ok();
        }
        let status = child.wait().context("wait for a test")?;
        drop(lines);
        let is_read = reader.join().is_ok();
        debug_assert!(is_read, "the reader of a test does not panic");
        Ok(outcome.unwrap_or_else(|| match status.success() {
            true => Outcome::Passed,
            false => Outcome::Ended(status.to_string()),
        }))
    }

    fn start(&self, number: Option<usize>, extent: Extent<'_>) -> anyhow::Result<Child> {
        // The shell sets the limit, then replaces itself with the test.
        let limit = format!("ulimit -v {MEMORY_KIB_MAX}; exec \"$0\" \"$@\"");
        let mut command = Command::new("sh");
        command.args(["-c", &limit]).arg(&self.path);
        command.arg("--test-threads=1");
        match extent {
            Extent::All => {}
            Extent::FewCases => drop(command.env("PROPTEST_CASES", FEW_CASES)),
            Extent::One(name) => drop(command.args(["--exact", name])),
        }
        for name in self.skipped {
            command.args(["--skip", name]);
        }
        command
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .env("RUST_BACKTRACE", "0")
            // Only the first failing test matters, so no case is shrunk.
            .env("PROPTEST_MAX_SHRINK_ITERS", "0")
            .env("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "1");
        match number {
            Some(number) => command.env(VARIABLE, number.to_string()),
            None => command.env_remove(VARIABLE),
        };
        let path = self.path.display();
        command.spawn().with_context(|| format!("start {path}"))
    }
}

/// The name of the failed test in a line of output, if any.
fn failed(line: &str) -> Option<&str> {
    line.strip_prefix("test ")?.strip_suffix(" ... FAILED")
}
