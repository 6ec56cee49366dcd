//! The simulator's command: replays one seed or sweeps many.
//!
//! Environment variables set its options, as `make sim` passes them on: `SEED=n` replays one seed; `RUNS=n` with
//! `FROM=m` sweeps; `JSON=1` ends with a line for programs; `GO_ON=1` continues after a failure; `KINDS=wipe,kill`
//! allows only these kinds of faults; `LIST=plants` lists the planted bugs; `PLANT=name` switches one of them on.
#![allow(clippy::print_stdout, reason = "it is a command")]

use std::{
    env,
    io::{self, ErrorKind, Write as _},
    process::ExitCode,
};

use anyhow::Context as _;
use kittengrad_plants::{Plant, Plants};
use kittengrad_sim::{
    catalogue::{self, Known, Story},
    faults::Kind,
    run::{Plan, Report},
    shrink::shrink,
    sweep::{Sum, sweep},
};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Runs at most to make a failing seed smaller.
const SHRINKS_MAX: usize = 200;
/// Seeds of a sweep without `RUNS`.
const RUNS: u64 = 200;

fn main() -> anyhow::Result<ExitCode> {
    if let Some(argument) = env::args_os().nth(1) {
        anyhow::bail!(
            "{argument:?}: the simulator takes no arguments; `make sim SEED=17` sets options"
        );
    }
    if env::var("LIST").is_ok_and(|value| value == "plants") {
        list();
        return Ok(ExitCode::SUCCESS);
    }
    let options = RunOptions {
        plant: plant()?,
        kinds: kinds()?,
    };
    if let Some(plant) = options.plant
        && let Some(story) = catalogue::of(plant).story
    {
        return Ok(tell_story(plant, story));
    }
    if let Some(seed) = number("SEED")? {
        return Ok(replay(seed, &options));
    }
    let runs = number("RUNS")?.unwrap_or(RUNS);
    let from = number("FROM")?.unwrap_or_default();
    Ok(pass(from, runs, &options))
}

fn number(name: &str) -> anyhow::Result<Option<u64>> {
    match env::var(name).ok().filter(|value| !value.is_empty()) {
        None => Ok(None),
        Some(value) => {
            let number = value
                .parse()
                .with_context(|| format!("{name}={value} is not a number"))?;
            Ok(Some(number))
        }
    }
}

fn is_set(name: &str) -> bool {
    env::var(name).is_ok_and(|value| !value.is_empty() && value != "0")
}

/// The planted bug and the kinds of faults of every seed.
struct RunOptions {
    plant: Option<Plant>,
    /// Allows only these kinds of faults. If empty, the seed draws them, or the catalogue names them for the plant.
    kinds: Vec<Kind>,
}

impl RunOptions {
    fn draw(&self, seed: u64) -> Plan {
        let plan = self.plant.map(|plant| catalogue::of(plant).draw(seed));
        let mut plan = plan.unwrap_or_else(|| Plan::draw(seed));
        if !self.kinds.is_empty() {
            plan.only(&self.kinds);
        }
        plan
    }

    /// Returns the command that runs a seed again.
    fn again(&self, seed: u64) -> String {
        let plant = self.plant.map(|plant| format!(" PLANT={plant}"));
        let kinds: Vec<_> = self.kinds.iter().map(|kind| kind.as_str()).collect();
        let kinds = (!kinds.is_empty()).then(|| format!(" KINDS={}", kinds.join(",")));
        let options = [plant, kinds].into_iter().flatten().collect::<String>();
        format!("make sim SEED={seed}{options}")
    }
}

/// Parses `PLANT`.
fn plant() -> anyhow::Result<Option<Plant>> {
    let name = env::var("PLANT").ok().filter(|name| !name.is_empty());
    let plant = |name: String| {
        name.parse()
            .with_context(|| format!("PLANT={name} is not a planted bug; LIST=plants lists them"))
    };
    name.map(plant).transpose()
}

/// Parses `KINDS`.
fn kinds() -> anyhow::Result<Vec<Kind>> {
    let names = env::var("KINDS").unwrap_or_default();
    let names = names.split(',').filter(|name| !name.is_empty());
    let kind = |name| {
        Kind::named(name).with_context(|| {
            let all = Kind::ALL.map(Kind::as_str).join(", ");
            format!("KINDS: {name:?} is not a kind of fault; the kinds are {all}")
        })
    };
    names.map(kind).collect()
}

/// Lists all planted bugs with the invariants that catch them.
fn list() {
    for Known {
        plant,
        invariants,
        seeds,
        kinds,
        size,
        story,
    } in catalogue::ALL
    {
        let under: Vec<_> = kinds.iter().map(|kind| kind.as_str()).collect();
        let mut under = match under.is_empty() {
            true => String::new(),
            false => format!(" of {}", under.join(",")),
        };
        if let Some((peers, replicas)) = size {
            under += &format!(" with {peers} peers, R={replicas}");
        }
        if story.is_some() {
            println!("{plant}: {} in a story", invariants.join(" or "));
            continue;
        }
        println!(
            "{plant}: {} within {seeds} seeds{under}",
            invariants.join(" or ")
        );
    }
}

/// Runs the story of a planted bug and prints whether a promise broke.
fn tell_story(plant: Plant, story: Story) -> ExitCode {
    println!("{plant} has a story: seeds show it too rarely");
    match story(Plants::only(plant)) {
        Some(violation) => {
            println!("it breaks a promise: {violation}");
            ExitCode::FAILURE
        }
        None => {
            println!("it breaks no promise");
            ExitCode::SUCCESS
        }
    }
}

/// Runs one seed and prints its trace.
fn replay(seed: u64, options: &RunOptions) -> ExitCode {
    let plan = options.draw(seed);
    println!("seed {seed}: {}", plan.describe());
    let (report, text) = plan.run_traced();
    match io::stdout().write_all(text.as_bytes()) {
        // The reader closed the pipe early, as `head` does.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
        written => {
            if let Err(error) = written {
                eprintln!("the trace is incomplete: {error}");
            }
            tell(seed, &report);
            println!("repeat with: {}", options.again(seed));
        }
    }
    if report.violation.is_some() || report.invalid.is_some() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

fn tell(seed: u64, report: &Report) {
    let Report {
        simulated_ms,
        asked,
        acked,
        healed_ms,
        digest,
        ..
    } = report;
    println!(
        "seed {seed}: {simulated_ms} ms, {acked} of {asked} acknowledged, healed after {healed_ms:?} ms, digest {digest:016x}"
    );
    for (kind, count) in &report.faults {
        println!("  {kind}: {count}");
    }
    if let Some(why) = &report.invalid {
        println!("seed {seed} proves nothing: {why}");
    }
    if let Some(violation) = &report.violation {
        println!("seed {seed} breaks a promise: {violation}");
    }
}

/// Sweeps many seeds.
fn pass(from: u64, runs: u64, options: &RunOptions) -> ExitCode {
    println!("seeds {from} to {}", from + runs - 1);
    let step = (runs / 20).max(1);
    let sum = sweep(
        from,
        runs,
        is_set("GO_ON"),
        |seed| options.draw(seed),
        |sum| {
            if sum.runs % step == 0 {
                progress(sum);
            }
        },
    );
    progress(&sum);
    for (kind, count) in &sum.faults {
        println!("  {kind}: {count}");
    }
    for (seed, why) in &sum.why_invalid {
        println!("seed {seed} proves nothing: {why}");
    }
    for (seed, report) in &sum.failures {
        tell(*seed, report);
    }
    if let Some((seed, report)) = sum.failures.first_key_value() {
        let plan = options.draw(*seed);
        println!("seed {seed} was: {}", plan.describe());
        // The mistake of a planted bug is known and needs no smaller plan.
        if options.plant.is_none() {
            tell_smaller(&plan, report);
        }
        println!("repeat with: {}", options.again(*seed));
    }
    if is_set("JSON") {
        println!("{}", sum.json());
    }
    if sum.violations + sum.invalid == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn tell_smaller(plan: &Plan, report: &Report) {
    let (small, small_report) = shrink(plan, report, SHRINKS_MAX);
    println!("a smaller one: {}", small.describe());
    if let Some(violation) = &small_report.violation {
        println!("  breaks: {violation}");
    }
}

fn progress(sum: &Sum) {
    println!(
        "{} runs, {} violations, {} invalid, {} s in {} s ({:.0} simulated hours per hour), {} of {} acknowledged",
        sum.runs,
        sum.violations,
        sum.invalid,
        sum.simulated_ms / 1_000,
        sum.wall_ms / 1_000,
        sum.rate(),
        sum.acked,
        sum.asked
    );
}
