//! The command: measures how many mutants the tests see.
#![allow(clippy::print_stdout, reason = "it is a command")]

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{Mutex, PoisonError},
    thread,
};

use anyhow::bail;
use clap::Parser;
use kittengrad_mutants::{
    build, copy,
    definition::{self, Mutant},
    last::Last,
    score::Measured,
    suite::{Suite, Tests},
    trial::{Suites, Trial},
};

/// Run the tests of the pure crates under mutants, and count the mutants that they see
#[derive(Parser)]
struct Args {
    /// Folder for the mutated copy of the workspace and its build
    #[arg(long)]
    dir: PathBuf,
    /// Run mutants from this number on
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    from: usize,
    /// Run mutants whose file, function or sentence contains this text
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
    /// Run only the mutants that are marked as equivalent; none should be seen
    #[arg(long)]
    equivalent: bool,
    /// List only the mutants that no longer apply to the code
    #[arg(long)]
    check: bool,
    /// Print the result as one line of JSON
    #[arg(long)]
    json: bool,
    /// Fail if fewer than this many of a hundred are seen
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0)]
    at_least: f64,
    /// Run this many mutants and compilers at a time; by default as many as there are processors
    #[arg(long, value_name = "NUMBER")]
    jobs: Option<usize>,
}

fn main() -> anyhow::Result<ExitCode> {
    let args = Args::parse();
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let workspace = here.join("../..").canonicalize()?;
    let mutants = definition::load(&here.join("definitions"))?;
    let scratch = args.dir.join("workspace");
    let copied = copy::copy(&workspace, &scratch, &mutants)?;
    if !copied.lost.is_empty() {
        let (count, list) = (copied.lost.len(), copied.lost.join("\n  "));
        bail!("{count} mutants no longer apply; give them the text of today's code:\n  {list}");
    }
    if args.check {
        println!("all {} mutants apply", mutants.len());
        return Ok(ExitCode::SUCCESS);
    }
    let chosen = mutants.into_iter().filter(|mutant| args.chooses(mutant));
    let (equivalent, others) = chosen.partition::<Vec<_>, _>(|m| m.equivalent.is_some());
    let (run, skipped) = match args.equivalent {
        true => (equivalent, Vec::new()),
        false => (others, equivalent),
    };
    eprintln!("compiling the pure crates with their mutants…");
    let scratch = scratch.canonicalize()?;
    let suites = build::build(&scratch, &args.dir.join("target"), args.jobs)?;
    let is_needed = |suite: &Suite| match suite.tests {
        Tests::Own(folder) => run.iter().any(|mutant| mutant.folder == folder),
        Tests::Stories => true,
    };
    let suites = suites.into_iter().filter(is_needed);
    eprintln!("running the tests without a mutant…");
    let suites = Suites::measured(suites)?;
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let mut measured = Measured {
        trials: Vec::new(),
        equivalent: skipped,
        lines: copied.lines,
    };
    let kept = args.dir.join("last.json");
    let last = Last::load(&kept);
    let next = Mutex::new(last.clone());
    let report = |trial: &Trial| {
        let (mutant, seconds) = (measured.describe(&trial.mutant), trial.took.as_secs_f64());
        match &trial.seen {
            Some(seen) => eprintln!("seen   {mutant} ({seen}, {seconds:.1} s)"),
            None => eprintln!("UNSEEN {mutant} ({seconds:.1} s)"),
        }
        let mut next = next.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((suite, Ok(test))) = trial.seen.as_ref().map(|seen| (&seen.suite, &seen.by)) {
            next.learn(&trial.mutant, suite, test);
        }
        if let Err(error) = next.keep(&kept) {
            eprintln!("{error:#}");
        }
    };
    let at_a_time = args.jobs.unwrap_or(processors);
    measured.trials = suites.try_all(&run, &last, at_a_time, report)?;
    match args.json {
        true => println!("{}", measured.json()?),
        false => print!("{}", measured.table()),
    }
    let is_enough = measured.all().percent() >= args.at_least;
    Ok(if is_enough {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

impl Args {
    fn chooses(&self, mutant: &Mutant) -> bool {
        let texts = [&mutant.file, &mutant.function, &mutant.says];
        mutant.number >= self.from && texts.iter().any(|text| text.contains(&self.only))
    }
}
