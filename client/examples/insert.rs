//! Inserts an artefact with a first update, and prints how many disks have it.
//!
//! Needs a running `make demo`.
//!
//! ```sh
//! cargo run --example insert -- kittengrad-demo/client.toml work:composition-viii 'Composition VIII'
//! ```
#![allow(clippy::print_stdout, reason = "an example prints its result")]

use std::{collections::BTreeMap, env, error::Error, time::SystemTime};

use kittengrad_client::{
    Client,
    config::ClientConfig,
    submit::{Draft, SubmitOptions},
};
use kittengrad_proto::record::{Canonical, CanonicalType, Record, Update};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let [config, identifier, name] = &arguments[..] else {
        return Err("usage: insert CLIENT.TOML IDENTIFIER NAME".into());
    };
    let client = Client::connect(&ClientConfig::load(config.as_ref())?)?;
    let publisher = client.publishers().first().ok_or("no publisher")?.key();

    // The canonical has only an identifier. Two publishers who use the same one describe the same thing.
    let canonical = Canonical::identified(CanonicalType::Artefact, identifier.clone());
    let mut draft = Draft::insert(&Record::Canonical(canonical))?;
    let cid = draft.canonical;

    // Everything else is in updates, which a publisher can replace or take back later.
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let update = Record::Update(Update {
        reference: cid,
        publisher,
        timestamp_ms: u64::try_from(now.as_millis())?,
        name: Some(name.clone()),
        meta: BTreeMap::new(),
        previous: Vec::new(),
        links: Vec::new(),
        salt: None,
    });
    draft.updates.push(update.encode()?);

    // One draft makes one transaction, and so one outcome.
    let options = SubmitOptions::default();
    for outcome in client.submit(&publisher, vec![draft], options).await? {
        let submitted = outcome.result?;
        println!("{cid} is on {} disks", submitted.synced.len());
    }
    Ok(())
}
