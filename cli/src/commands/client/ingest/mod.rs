//! `kittengrad ingest`: newline-delimited JSON through a map into the network, each line accounted for.
//!
//! ```text
//! read ──► map ──► look up ──► decide ──► group, sign, submit ──► count, write refused lines
//! thread   threads  quorum     threads     acknowledged            in the order of the file
//! ```
//!
//! Batches of lines go through this side by side; a batch that speaks of a canonical which an earlier one
//! speaks of too waits until that one is done, so that lines about one thing are decided in their order.

mod batch;
mod counts;
mod decide;
pub(crate) mod maps;
mod pipeline;
mod progress;
mod rejects;
mod sets;
mod source;
mod state;

use std::{path::PathBuf, process::ExitCode, time::Instant};

use clap::Args;
use serde::Serialize;

use self::rejects::AllRejects;
pub(crate) use self::{
    counts::Counts,
    pipeline::{Job, Kept, load},
    progress::Progress,
    rejects::Rejects,
    source::Source,
};
use super::Session;
use crate::{
    global::Global,
    output::{self, text::count},
};

/// The files to load.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    kittengrad ingest --map tate-artworks tate-artworks.ndjson.gz\n  \
    kittengrad ingest --map my-map.toml part-1.ndjson part-2.ndjson --json\n  \
    curl -s https://example.org/works.ndjson | kittengrad ingest --map works.toml -\n  \
    kittengrad ingest --map works.toml works.ndjson --dry-run\n\n\
    A map says what a line is about and who publishes it; deploy/maps has examples. Built-in maps:\n  \
    tate-artworks, tate-artists, cmoa-artworks, cmoa-artists, artist-crosswalk, nypl-collections,\n  \
    sfomuseum-publicart, sfomuseum-places\n\n\
    Loading a file again adds nothing, so load it again after an interruption or a refusal. With \
    mode = \"replace\", a file should have one line per canonical, because each line replaces the last one.\n\
    Loading continues after a refused line. The first 20 are printed; FILE.rejects.ndjson has all, with reasons.\n\
    Exit code 1 if a line is refused.")]
pub(crate) struct IngestArgs {
    /// Map: a TOML file, or the name of a built-in map
    #[arg(long, value_name = "MAP")]
    map: String,
    /// Files of JSON lines (gzip is recognised), or - for standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// File for refused lines [default: FILE.rejects.ndjson beside each file, or here if that folder is not
    /// writable]. Without refused lines, the file of an earlier run is removed
    #[arg(long, value_name = "PATH")]
    rejects: Option<PathBuf>,
    /// Print the changes and write refused lines, but send nothing
    #[arg(long)]
    dry_run: bool,
}

/// One line of `ingest --json`.
#[derive(Serialize)]
struct FileJson<'a> {
    /// `None` for the total.
    file: Option<&'a str>,
    #[serde(flatten)]
    counts: Counts,
    /// Where the refused lines are, if there are any.
    rejects: Option<String>,
    seconds: f64,
}

/// Loads files one after another.
pub(crate) async fn run(args: IngestArgs, global: &Global) -> anyhow::Result<ExitCode> {
    let map = maps::load(&args.map)?;
    let sources: Vec<_> = args
        .files
        .iter()
        .map(Source::at)
        .collect::<anyhow::Result<_>>()?;
    let mut all_rejects = AllRejects::of(args.rejects, &sources)?;
    let session = Session::open(global)?;
    let publisher = session.client.publisher(map.publisher());
    let publisher = publisher
        .ok_or_else(|| session.no_publisher(map.publisher()))?
        .key();
    let job = Job::new(session.client.clone(), publisher, map);
    let job = if args.dry_run { job.dry() } else { job };

    let (mut total, began, mut is_failed) = (Counts::default(), Instant::now(), false);
    let files = sources.len();
    for source in sources {
        let began = Instant::now();
        let name = source.name().to_owned();
        let rejects = all_rejects.for_source(&source);
        let mut progress = Progress::begin(&source);
        let loaded = load(&job, source, rejects, &mut progress).await;
        progress.end();
        if !args.dry_run && loaded.failures.is_empty() {
            rejects.clear();
        }
        let line = FileJson {
            file: Some(&name),
            counts: loaded.counts,
            rejects: rejects.written().filter(|_| loaded.counts.refused > 0),
            seconds: seconds(began),
        };
        report(&line, args.dry_run, global)?;
        total.add(&loaded.counts);
        for failure in &loaded.failures {
            output::error(failure);
        }
        is_failed |= loaded.counts.refused > 0 || !loaded.failures.is_empty();
    }
    let rejects = all_rejects.shared();
    let line = FileJson {
        file: None,
        counts: total,
        rejects,
        seconds: seconds(began),
    };
    if global.json || files > 1 {
        report(&line, args.dry_run, global)?;
    }
    Ok(if is_failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// Since then, to the millisecond.
fn seconds(began: Instant) -> f64 {
    (began.elapsed().as_secs_f64() * 1e3).round() / 1e3
}

fn report(line: &FileJson<'_>, is_dry_run: bool, global: &Global) -> anyhow::Result<()> {
    // Without a reader there is still an exit code to give, and the rest to load.
    if global.json {
        return output::even_if_gone(output::json(line));
    }
    let name = output::text::clean(line.file.unwrap_or("total"));
    let dry = if is_dry_run {
        " (nothing was sent)"
    } else {
        ""
    };
    output::even_if_gone(output::line(&format!(
        "{name}: {} in {:.1} s{dry}",
        line.counts.text(),
        line.seconds
    )))?;
    if let Some(rejects) = &line.rejects {
        let lines = count(line.counts.refused, "line");
        output::say(&format!(
            "{lines} refused, with reasons in {}",
            output::text::clean(rejects)
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const COUNTS: Counts = Counts {
        read: 12_000,
        inserted: 1,
        updated: 2,
        unchanged: 11_990,
        refused: 7,
    };

    #[test]
    fn a_line_of_json_has_the_counts_beside_the_file() {
        let line = FileJson {
            file: Some("a.ndjson"),
            counts: COUNTS,
            rejects: None,
            seconds: 1.5,
        };
        let expected = json!({
            "file": "a.ndjson", "read": 12_000, "inserted": 1, "updated": 2, "unchanged": 11_990, "refused": 7,
            "rejects": null, "seconds": 1.5,
        });
        assert_eq!(serde_json::to_value(&line).unwrap(), expected);
        let total = FileJson { file: None, ..line };
        assert_eq!(serde_json::to_value(&total).unwrap()["file"], json!(null));
    }
}
