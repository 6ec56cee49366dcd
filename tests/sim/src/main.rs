//! The simulator's command: one seed to read, or many to pass.
//!
//! It is told by environment variables, as `make sim` hands them on: `SEED=n` replays one seed; `RUNS=n` with `FROM=m`
//! sweeps; `JSON=1` ends with a line for programs; `GO_ON=1` does not stop at the first failure; `KINDS=wipe,kill` has these
//! kinds of faults and no others; `LIST=plants` lists the planted bugs; `PLANT=name` has one of them.
#![allow(clippy::print_stdout, reason = "it is a command")]

use std::{env, process::ExitCode};

use anyhow::Context as _;
use kittengrad_plants::{Plant, Plants};
use kittengrad_sim::{
    catalogue::{self, Known},
    faults::Kind,
    run::{Plan, Report},
    shrink::shrink,
    sweep::{Sum, sweep},
};

/// Runs until a failing seed is small enough.
const SHRINKS_MAX: usize = 200;
/// Seeds that are swept if nobody says how many.
const RUNS: u64 = 200;

fn main() -> anyhow::Result<ExitCode> {
    if env::var("LIST").is_ok_and(|what| what == "plants") {
        list();
        return Ok(ExitCode::SUCCESS);
    }
    let plants = plants()?;
    if let Some(seed) = number("SEED")? {
        return Ok(replay(seed, plants));
    }
    let runs = number("RUNS")?.unwrap_or(RUNS);
    let from = number("FROM")?.unwrap_or_default();
    Ok(pass(from, runs, plants))
}

fn number(name: &str) -> anyhow::Result<Option<u64>> {
    match env::var(name).ok().filter(|value| !value.is_empty()) {
        None => Ok(None),
        Some(value) => {
            let number = value
                .parse()
                .with_context(|| format!("{name} is no number"))?;
            Ok(Some(number))
        }
    }
}

fn is_set(name: &str) -> bool {
    env::var(name).is_ok_and(|value| !value.is_empty() && value != "0")
}

/// The planted bug that was asked for.
fn plants() -> anyhow::Result<Plants> {
    match env::var("PLANT").ok().filter(|name| !name.is_empty()) {
        None => Ok(Plants::NONE),
        Some(name) => {
            let plant: Plant = name
                .parse()
                .with_context(|| format!("{name:?}; LIST=plants says which there are"))?;
            Ok(Plants::only(plant))
        }
    }
}

/// All planted bugs, and what sees them.
fn list() {
    for Known {
        plant,
        invariants,
        seeds,
    } in catalogue::ALL
    {
        println!("{plant}: {} within {seeds} seeds", invariants.join(" or "));
    }
}

/// What a seed says, unless the kinds of faults were named.
fn draw(seed: u64, plants: Plants) -> Plan {
    let mut plan = Plan::draw(seed).planted(plants);
    let kinds = env::var("KINDS").unwrap_or_default();
    let kinds: Vec<_> = kinds.split(',').filter_map(Kind::named).collect();
    if !kinds.is_empty() {
        plan.only(&kinds);
    }
    plan
}

/// One seed, with everything that happened.
fn replay(seed: u64, plants: Plants) -> ExitCode {
    let plan = draw(seed, plants);
    println!("seed {seed}: {}", plan.describe());
    let (report, text) = plan.run_traced();
    print!("{text}");
    tell(seed, &report);
    println!("repeat with: {}", again(seed));
    match report.violation {
        Some(_) => ExitCode::FAILURE,
        None => ExitCode::SUCCESS,
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

/// Many seeds.
fn pass(from: u64, runs: u64, plants: Plants) -> ExitCode {
    println!("seeds {from} to {}", from + runs - 1);
    let step = (runs / 20).max(1);
    let sum = sweep(
        from,
        runs,
        is_set("GO_ON"),
        |seed| draw(seed, plants),
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
        let plan = draw(*seed, plants);
        println!("seed {seed} was: {}", plan.describe());
        // What is wrong with a planted bug is known.
        if plants == Plants::NONE {
            tell_smaller(&plan, report);
        }
        println!("repeat with: {}", again(*seed));
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

/// The command that runs a seed again.
fn again(seed: u64) -> String {
    let said = ["PLANT", "KINDS"].map(|name| (name, env::var(name).unwrap_or_default()));
    let said = said.iter().filter(|(_, value)| !value.is_empty());
    let said = said.map(|(name, value)| format!(" {name}={value}"));
    format!("make sim SEED={seed}{}", said.collect::<String>())
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
