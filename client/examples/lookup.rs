//! Looks a canonical up at a quorum of its replicas, and prints the statements about it.
//!
//! Needs a running `make demo`.
//!
//! ```sh
//! cargo run --example lookup -- kittengrad-demo/client.toml bafyrei...
//! ```
#![allow(clippy::print_stdout, reason = "an example prints its result")]

use std::{env, error::Error};

use kittengrad_client::{Client, config::ClientConfig, lookup::Consistency};
use kittengrad_client_core::view::fold::fold;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let [config, canonical] = &arguments[..] else {
        return Err("usage: lookup CLIENT.TOML CID".into());
    };
    let client = Client::connect(&ClientConfig::load(config.as_ref())?)?;

    // A quorum sees every acknowledged write. Records come with the set, each checked against its CID.
    let question = [canonical.parse()?];
    let found = client.lookup(&question, Consistency::Quorum, true).await?;
    for answer in found.answers {
        if !answer.complete {
            println!("some replicas did not answer; statements may be missing");
        }
        // The fold says which updates count today, and which were replaced or retracted.
        let document = fold(answer.canonical, answer.record.as_deref(), &answer.updates);
        println!("{}", document.name().unwrap_or("(no name)"));
        for statement in &document.statements {
            let publisher = statement.publisher();
            let holder = publisher.and_then(|key| found.publishers.get(&key));
            let name = holder.map_or("unknown", |holder| &holder.name);
            println!("{}  {}  {name}", statement.id, statement.standing());
        }
    }
    Ok(())
}
