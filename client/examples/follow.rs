//! Follows the journal of the network's aggregator from its first block, and prints each element.
//!
//! Needs a running `make demo`.
//!
//! ```sh
//! cargo run --example follow -- kittengrad-demo/client.toml 10
//! ```
#![allow(clippy::print_stdout, reason = "an example prints its result")]

use std::{env, error::Error};

use kittengrad_client::{
    Client,
    config::ClientConfig,
    subscribe::{Event, SubscribeOptions},
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let [config, count] = &arguments[..] else {
        return Err("usage: follow CLIENT.TOML COUNT".into());
    };
    let mut left: usize = count.parse()?;
    let client = Client::connect(&ClientConfig::load(config.as_ref())?)?;
    let source = client.aggregator().ok_or("the network has no aggregator")?;

    // By default a subscription starts at the first block, brings records, and does not end.
    let mut subscription = client.subscribe(source, SubscribeOptions::default());
    while left > 0
        && let Some(event) = subscription.next().await
    {
        // Other events: a new incarnation, lost blocks, a heartbeat, a connection that is made again.
        let Event::Block(block) = event? else {
            continue;
        };
        for at in block.elements().take(left) {
            // A program that stores this position continues after the element when it starts again.
            println!("{}  {}", at.element.canonical, at.position);
            left -= 1;
        }
    }
    Ok(())
}
