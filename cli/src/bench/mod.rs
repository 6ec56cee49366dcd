//! `kittengrad bench`: how fast a network is, measured by real clients with real signatures.
//!
//! Each phase makes and signs its data before the clock starts. An operation counts when it is acknowledged.

mod data;
mod measure;
mod phase;
mod stream;

use std::{process::ExitCode, time::Duration};

use clap::{Args, Subcommand};
use kittengrad_client::lookup::Consistency;
use serde::Serialize;

use self::measure::Measured;
use crate::{
    commands::client::{Session, SourceArgs},
    global::Global,
    output::{
        self,
        text::{micros, number},
    },
};

/// The phase to measure.
#[derive(Debug, Subcommand)]
pub(crate) enum BenchCommand {
    /// Insert canonicals, each in a signed transaction of its own
    #[command(after_help = "Examples:\n  kittengrad bench insert\n  \
        kittengrad bench insert --conc 64 --canonicals 100000 --limit-s 30 --json")]
    Insert(BenchArgs),
    /// Update canonicals, many updates in each signed transaction
    #[command(after_help = "Examples:\n  kittengrad bench bulk --batch 1000\n  \
        kittengrad bench bulk --record-bytes 1000 --json\n\n\
        Each request is one signed transaction with exactly --batch updates, 4 MiB with their records at most.")]
    Bulk(BenchArgs),
    /// Look up the sets of canonicals, one per request
    #[command(after_help = "Examples:\n  kittengrad bench lookup --per 5\n  \
        kittengrad bench lookup --consistency one --records --json")]
    Lookup(LookupArgs),
    /// Read updates from the stream of one journal, verified, with one reader
    #[command(
        after_help = "Examples:\n  kittengrad bench tail\n  kittengrad bench tail --aggregator --json\n\n\
        An operation is one block; its latency is the time since the block before."
    )]
    Tail(TailArgs),
}

/// Options of all phases.
#[derive(Debug, Clone, Args)]
pub(crate) struct BenchArgs {
    /// Bytes of each record
    #[arg(long, value_name = "N", default_value_t = 300, value_parser = clap::value_parser!(u32).range(200..=60_000))]
    record_bytes: u32,
    /// Requests in flight
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    conc: u32,
    /// Updates in each transaction of `bulk`
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    batch: u32,
    /// Updates of each canonical
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    per: u32,
    /// Canonicals [default: 50,000 for insert, 40,000 for bulk and tail, 10,000 for lookup]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    canonicals: Option<u32>,
    /// Stop after S seconds
    #[arg(long, value_name = "S", default_value_t = 10.0, value_parser = parse_seconds)]
    limit_s: f64,
    /// Publisher [default: the first]
    #[arg(long, value_name = "NAME")]
    publisher: Option<String>,
}

/// Options of `lookup`.
#[derive(Debug, Args)]
pub(crate) struct LookupArgs {
    #[command(flatten)]
    bench: BenchArgs,
    /// Replicas that must answer: one, quorum or all
    #[arg(long, default_value_t)]
    consistency: Consistency,
    /// Ask for records besides the set
    #[arg(long)]
    records: bool,
}

/// Options of `tail`.
#[derive(Debug, Args)]
pub(crate) struct TailArgs {
    #[command(flatten)]
    bench: BenchArgs,
    #[command(flatten)]
    source: SourceArgs,
}

fn parse_seconds(text: &str) -> Result<f64, String> {
    let seconds = text
        .parse()
        .ok()
        .filter(|seconds| *seconds > 0.0 && *seconds <= 86_400.0);
    seconds.ok_or_else(|| "a number of seconds above 0 and up to 86400".to_owned())
}

impl BenchArgs {
    fn canonicals(&self, default: u32) -> u64 {
        u64::from(self.canonicals.unwrap_or(default))
    }

    fn limit(&self) -> Duration {
        Duration::from_secs_f64(self.limit_s)
    }
}

/// The result of a phase.
#[derive(Debug, Serialize)]
struct Line {
    phase: &'static str,
    conc: u32,
    batch: u32,
    record_bytes: u32,
    per: u32,
    ops: u64,
    /// Elements of sets: written, or read.
    updates: u64,
    seconds: f64,
    ops_per_s: f64,
    updates_per_s: f64,
    p50_us: u64,
    p99_us: u64,
    max_us: u64,
    errors: u64,
}

impl Line {
    fn new(phase: &'static str, args: &BenchArgs, measured: &Measured) -> Self {
        let seconds = measured.elapsed.as_secs_f64();
        let per_s = |count: u64| {
            if seconds > 0.0 {
                count as f64 / seconds
            } else {
                0.0
            }
        };
        Self {
            phase,
            conc: args.conc,
            batch: args.batch,
            record_bytes: args.record_bytes,
            per: args.per,
            ops: measured.ops,
            updates: measured.updates,
            seconds,
            ops_per_s: per_s(measured.ops),
            updates_per_s: per_s(measured.updates),
            p50_us: measured.latencies.value_at_quantile(0.5),
            p99_us: measured.latencies.value_at_quantile(0.99),
            max_us: measured.latencies.max(),
            errors: measured.errors,
        }
    }

    fn text(&self) -> String {
        let rate = |per_s: f64| number(per_s as u64);
        format!(
            "{:<7} {:>9} ops/s  {:>9} updates/s   p50 {:>9}  p99 {:>9}  max {:>9}   {} ops in {:.1} s, {} errors",
            self.phase,
            rate(self.ops_per_s),
            rate(self.updates_per_s),
            micros(self.p50_us),
            micros(self.p99_us),
            micros(self.max_us),
            number(self.ops),
            self.seconds,
            number(self.errors)
        )
    }
}

/// Measures one phase.
pub(crate) async fn run(command: BenchCommand, global: &Global) -> anyhow::Result<ExitCode> {
    let session = Session::open(global)?;
    let line = match &command {
        BenchCommand::Insert(args) => {
            let args = BenchArgs {
                batch: 1,
                ..args.clone()
            };
            Line::new("insert", &args, &phase::insert(&session, &args).await?)
        }
        BenchCommand::Bulk(args) => Line::new("bulk", args, &phase::bulk(&session, args).await?),
        BenchCommand::Lookup(args) => {
            let bench = BenchArgs {
                batch: 1,
                ..args.bench.clone()
            };
            let measured = phase::lookup(&session, &bench, args.consistency, args.records).await?;
            Line::new("lookup", &bench, &measured)
        }
        BenchCommand::Tail(args) => {
            let bench = BenchArgs {
                conc: 1,
                batch: 1,
                ..args.bench.clone()
            };
            let source = args.source.named(&session)?;
            Line::new(
                "tail",
                &bench,
                &stream::tail(&session, &bench, source).await?,
            )
        }
    };
    if global.json {
        output::even_if_gone(output::json(&line))?;
    } else {
        output::line(&line.text())?;
    }
    Ok(if line.errors > 0 {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args() -> BenchArgs {
        BenchArgs {
            record_bytes: 300,
            conc: 64,
            batch: 100,
            per: 5,
            canonicals: None,
            limit_s: 10.0,
            publisher: None,
        }
    }

    #[test]
    fn a_line_has_the_fields_that_scripts_read() {
        let mut measured = Measured::default();
        measured.ops = 10;
        measured.updates = 1_000;
        measured.elapsed = Duration::from_secs(2);
        for us in 1..=10 {
            measured.latencies.record(us * 100).unwrap();
        }
        let line = serde_json::to_value(Line::new("bulk", &args(), &measured)).unwrap();
        let fields: Vec<_> = line.as_object().unwrap().keys().cloned().collect();
        let mut expected = [
            "phase",
            "conc",
            "batch",
            "record_bytes",
            "per",
            "ops",
            "updates",
            "seconds",
            "ops_per_s",
            "updates_per_s",
            "p50_us",
            "p99_us",
            "max_us",
            "errors",
        ];
        expected.sort_unstable();
        assert_eq!(fields, expected);
        assert_eq!(
            (line["ops_per_s"].as_f64(), line["updates_per_s"].as_f64()),
            (Some(5.0), Some(500.0))
        );
        assert_eq!(line["p50_us"], 500);
    }

    #[test]
    fn nothing_measured_is_zero_and_not_infinite() {
        let line = Line::new("tail", &args(), &Measured::default());
        assert_eq!((line.ops_per_s, line.p99_us), (0.0, 0));
    }

    #[test]
    fn a_limit_is_a_positive_number_of_seconds() {
        assert_eq!(parse_seconds("0.5"), Ok(0.5));
        for text in ["0", "-1", "nan", "inf", "x", "100000"] {
            assert!(parse_seconds(text).is_err(), "{text}");
        }
    }
}
