//! `kittengrad demo`: a whole network in one process, with real QUIC, TLS and certificates.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context;
use clap::Args;
use kittengrad_client_core::map::Map;
use kittengrad_node::run::Listening;
use kittengrad_proto::{certificate::Role, identity::Identity};
use kittengrad_service::process::shutdown_on_signal;
use serde_json::json;
use tokio::{sync::oneshot, task::JoinSet};
use tokio_util::sync::CancellationToken;

use super::{
    client::ingest::{Source, maps},
    load::{self, DemoInput},
    role,
};
use crate::{
    global::Global,
    output::{
        self, Usage,
        text::{count, shell},
    },
    prepare::{Plan, Prepared, prepare},
    sample,
};

/// The options of the demo.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    kittengrad demo                                    with a sample of well-known works\n  \
    kittengrad demo --peers 7 --dir my-network         continues when it is started again\n  \
    kittengrad demo --ingest works.ndjson.gz --map works.toml\n  \
    kittengrad demo --ingest tate-artworks.ndjson.gz --map tate-artworks      a built-in map\n  \
    kittengrad demo --prepare --dir my-network         only the files; then each as its own process:\n  \
    kittengrad peer run --config my-network/peers/1/peer.toml\n\n\
    Ctrl-C stops it; a second Ctrl-C does not wait. Logs are in DIR/demo.log (KITTENGRAD_LOG=debug logs more), \
    refused lines in DIR/rejects.ndjson. DIR/client.toml has the publishers of the sample, of the maps given, and of \
    the built-in maps.")]
pub(crate) struct DemoArgs {
    /// Peers of a new network, 1 to 64; a single peer keeps the only copy [default: 5]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=64))]
    peers: Option<u16>,
    /// Folder of the network [default: kittengrad-demo]
    #[arg(long, default_value = "kittengrad-demo", hide_default_value = true)]
    dir: PathBuf,
    /// Load this file of newline-delimited JSON (gzip is recognised) instead of the sample; needs --map
    #[arg(long, value_name = "FILE", requires = "map")]
    ingest: Vec<PathBuf>,
    /// Map of each --ingest, in the same order: a file, or the name of a built-in map
    #[arg(long, value_name = "MAP", requires = "ingest")]
    map: Vec<String>,
    /// Run peers only: no aggregator, no indexer, no records
    #[arg(long, conflicts_with_all = ["ingest", "prepare"])]
    bare: bool,
    /// Write the files and exit; loads nothing, but admits the publishers of the maps given
    #[arg(long, conflicts_with = "bare")]
    prepare: bool,
}

/// Runs the demo.
pub(crate) async fn run(args: DemoArgs, global: &Global) -> anyhow::Result<ExitCode> {
    if args.ingest.len() != args.map.len() {
        let why = "give one --map for each --ingest, in the same order";
        return Err(Usage(why.to_owned()).into());
    }
    let inputs = inputs(&args)?;
    let plan = Plan {
        dir: args.dir.clone(),
        peers: args.peers.map(usize::from),
        publishers: publishers(&inputs)?,
    };
    let prepared = prepare(&plan)?;
    if args.prepare {
        return show_prepared(&prepared, global);
    }
    prepared.check_room()?;
    role::log_to_file(&prepared.dir.join("demo.log"))?;
    let shutdown = shutdown_on_signal()?;
    let demo = Demo {
        prepared,
        shutdown: shutdown.clone(),
        tasks: JoinSet::new(),
    };
    demo.run(&args, inputs, global).await
}

/// The files to load, or the sample.
fn inputs(args: &DemoArgs) -> anyhow::Result<Vec<DemoInput>> {
    let given = args.ingest.iter().zip(&args.map).map(|(file, map)| {
        Ok(DemoInput {
            map: maps::load(map)?,
            source: Source::at(file)?,
            is_sample: false,
        })
    });
    let given: Vec<_> = given.collect::<anyhow::Result<_>>()?;
    if !given.is_empty() {
        return Ok(given);
    }
    let sample = sample::FILES.iter().map(|file| {
        Ok(DemoInput {
            map: Map::parse(file.map)?,
            source: Source::text(file.name, file.lines),
            is_sample: true,
        })
    });
    sample.collect()
}

/// The publishers of the client: those of the sample, of the files given, and of the built-in maps, each once.
fn publishers(inputs: &[DemoInput]) -> anyhow::Result<Vec<String>> {
    let sample = sample::FILES.iter().map(|file| file.publisher().to_owned());
    let given = inputs.iter().map(|input| input.map.publisher().to_owned());
    let mut publishers = Vec::new();
    for name in sample.chain(given).chain(maps::publishers()?) {
        if !publishers.contains(&name) {
            publishers.push(name);
        }
    }
    Ok(publishers)
}

fn show_prepared(prepared: &Prepared, global: &Global) -> anyhow::Result<ExitCode> {
    let program = program();
    output::say(&format!(
        "prepared {}; start each process, peers first:",
        prepared.dir.display()
    ));
    let run = |role: &str, config: &Path| {
        let config = shell(&config.display().to_string());
        output::say(&format!("  {program} {role} run --config {config}"));
    };
    for config in prepared.peer_configs() {
        run("peer", &config);
    }
    run("aggregator", &prepared.aggregator_config());
    run("indexer", &prepared.indexer_config());
    if global.json {
        output::json(&described(prepared, false)?)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A network that runs in this process.
struct Demo {
    prepared: Prepared,
    shutdown: CancellationToken,
    tasks: JoinSet<anyhow::Result<()>>,
}

impl Demo {
    async fn run(
        mut self,
        args: &DemoArgs,
        inputs: Vec<DemoInput>,
        global: &Global,
    ) -> anyhow::Result<ExitCode> {
        let ended = match self.start(args, inputs, global).await {
            Ok(()) => self.until_stopped().await,
            Err(error) => Err(error),
        };
        // After the request to stop, a process ends because of the request.
        let is_told = self.shutdown.is_cancelled();
        self.shutdown.cancel();
        while self.tasks.join_next().await.is_some() {}
        if is_told {
            return Ok(ExitCode::SUCCESS);
        }
        ended.map(|()| ExitCode::SUCCESS)
    }

    async fn start(
        &mut self,
        args: &DemoArgs,
        inputs: Vec<DemoInput>,
        global: &Global,
    ) -> anyhow::Result<()> {
        let configs: Vec<_> = self.prepared.peer_configs().collect();
        output::say(&format!(
            "starting {} in {}",
            count(configs.len() as u64, "peer"),
            self.prepared.dir.display()
        ));
        for config in configs {
            self.start_peer(&config).await?;
        }
        if !args.bare {
            self.start_aggregator().await?;
            self.start_indexer().await?;
        }
        let prepared = &self.prepared;
        let wait = async {
            load::until_settled(prepared).await?;
            if !args.bare {
                load::load_and_wait(prepared, inputs).await?;
            }
            anyhow::Ok(())
        };
        tokio::select! {
            biased;
            () = self.shutdown.cancelled() => return Ok(()),
            done = wait => done?,
            ended = self.tasks.join_next() => return Err(why_ended(ended)),
        }
        announce(&self.prepared, args.bare, global)
    }

    async fn start_peer(&mut self, config: &Path) -> anyhow::Result<()> {
        let config = kittengrad_node::config::Config::load(config)?;
        let (listening, listens) = oneshot::channel::<Listening>();
        let shutdown = self.shutdown.clone();
        self.tasks.spawn(async move {
            Ok(kittengrad_node::run::run(config, shutdown, listening).await?)
        });
        self.until_listening(listens).await
    }

    async fn start_aggregator(&mut self) -> anyhow::Result<()> {
        let config =
            kittengrad_aggregator::config::Config::load(&self.prepared.aggregator_config())?;
        let (listening, listens) = oneshot::channel();
        let shutdown = self.shutdown.clone();
        self.tasks.spawn(async move {
            Ok(kittengrad_aggregator::run::run(config, shutdown, listening).await?)
        });
        self.until_listening(listens).await
    }

    async fn start_indexer(&mut self) -> anyhow::Result<()> {
        let config = kittengrad_indexer::config::Config::load(&self.prepared.indexer_config())?;
        let (listening, listens) = oneshot::channel();
        let shutdown = self.shutdown.clone();
        self.tasks.spawn(async move {
            Ok(kittengrad_indexer::run::run(config, shutdown, listening).await?)
        });
        self.until_listening(listens).await
    }

    /// Waits for a process to listen, or for the first to fail.
    async fn until_listening<T>(&mut self, listens: oneshot::Receiver<T>) -> anyhow::Result<()> {
        match listens.await {
            Ok(_) => Ok(()),
            Err(_) => Err(why_ended(self.tasks.join_next().await)),
        }
    }

    async fn until_stopped(&mut self) -> anyhow::Result<()> {
        tokio::select! {
            biased;
            () = self.shutdown.cancelled() => Ok(()),
            ended = self.tasks.join_next() => Err(why_ended(ended)),
        }
    }
}

/// The error of a process that ended by itself.
fn why_ended(ended: Option<Result<anyhow::Result<()>, tokio::task::JoinError>>) -> anyhow::Error {
    match ended {
        Some(Ok(Err(error))) => error,
        Some(Err(panic)) => anyhow::anyhow!("a process of the demo failed: {panic}"),
        Some(Ok(Ok(()))) | None => anyhow::anyhow!("a process of the demo ended by itself"),
    }
}

/// This program, as a shell takes it.
fn program() -> String {
    let path = std::env::current_exe();
    path.map_or_else(
        |_| "kittengrad".to_owned(),
        |path| shell(&path.display().to_string()),
    )
}

fn announce(prepared: &Prepared, is_bare: bool, global: &Global) -> anyhow::Result<()> {
    let indexer = prepared.member(&prepared.dir.join("indexer"), Role::Indexer)?;
    let commands = if is_bare {
        output::say("\nready. Try, in another terminal:");
        let first = prepared
            .view
            .peers()
            .next()
            .context("the network has no peer")?
            .key;
        [
            "ring show".to_owned(),
            format!("journal head --peer {first}"),
            format!("journal verify --peer {first}"),
        ]
    } else {
        output::say(&format!(
            "\nready: http://{}\n\nTry, in another terminal:",
            indexer.addresses.http
        ));
        [
            "search turner",
            "ring show",
            "tail --from genesis --no-follow --limit 5",
        ]
        .map(str::to_owned)
    };
    let (program, client) = (program(), prepared.client_config());
    let client = shell(&client.display().to_string());
    for command in commands {
        output::say(&format!("  {program} --config {client} {command}"));
    }
    output::say("\nCtrl-C stops the demo; the same command continues it.");
    if global.json {
        output::even_if_gone(output::json(&described(prepared, is_bare)?))?;
    }
    Ok(())
}

/// The line that scripts wait for.
fn described(prepared: &Prepared, is_bare: bool) -> anyhow::Result<serde_json::Value> {
    let peer = |config: &Path| {
        let folder = config.parent().unwrap_or(&prepared.dir);
        let identity = prepared.member(folder, Role::Peer)?;
        let at = &identity.addresses;
        anyhow::Ok(json!({
            "id": identity.key.to_string(),
            "grpc": format!("https://{}", at.grpc),
            "quic": at.quic,
            "http": format!("http://{}", at.http),
        }))
    };
    let peers = prepared
        .peer_configs()
        .map(|config| peer(&config))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let grpc_and_http = |identity: &Identity| {
        json!({
            "grpc": format!("https://{}", identity.addresses.grpc),
            "http": format!("http://{}", identity.addresses.http),
        })
    };
    let (mut aggregator, mut indexer) = (None, None);
    if !is_bare {
        let identity = prepared.member(&prepared.dir.join("aggregator"), Role::Aggregator)?;
        aggregator = Some(grpc_and_http(identity));
        let identity = prepared.member(&prepared.dir.join("indexer"), Role::Indexer)?;
        indexer = Some(json!({"http": format!("http://{}", identity.addresses.http)}));
    }
    Ok(json!({
        "dir": prepared.dir,
        "client_config": prepared.client_config(),
        "peers": peers,
        "aggregator": aggregator,
        "indexer": indexer,
    }))
}
