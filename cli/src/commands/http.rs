//! Asking the HTTP pages of our own processes.

use std::{fs, time::Duration};

use anyhow::{Context, bail};
use kittengrad_client::config::{ClientConfig, locate};
use kittengrad_client_core::routing::Backoff;
use kittengrad_overlay::file::NetworkFile;

use crate::global::Global;

/// Pauses before a process that does not answer yet is asked again.
pub(crate) const POLL: Backoff = Backoff {
    base_ms: 100,
    max_ms: 2_000,
};

/// A client for the pages of the network's processes, which are never behind a proxy: `http_proxy` is not heeded.
pub(crate) fn client(patience: Duration) -> anyhow::Result<reqwest::Client> {
    let client = reqwest::Client::builder().no_proxy().timeout(patience);
    client.build().context("cannot make an HTTP client")
}

/// An address as users write it, `http://host:port`, without the path.
pub(crate) fn parse_url(text: &str) -> Result<String, String> {
    let url = text.trim().trim_end_matches('/');
    let rest = url
        .strip_prefix("http://")
        .ok_or("it must begin with http://")?;
    match reqwest::Url::parse(url) {
        Ok(parsed) if parsed.has_host() && !rest.contains(['/', '?', '#', '@']) => {
            Ok(url.to_owned())
        }
        _ => Err("write http://host:port".to_owned()),
    }
}

/// An address as members announce it, `host:port`.
pub(crate) fn parse_address(text: &str) -> Result<String, String> {
    check_address(text)
        .map(|()| text.to_owned())
        .map_err(|why| format!("{why}: write host:port"))
}

fn check_address(text: &str) -> anyhow::Result<()> {
    let (host, port) = text.rsplit_once(':').context("the port is missing")?;
    let is_number = port.chars().all(|c| c.is_ascii_digit());
    if !is_number || port.parse::<u16>().unwrap_or_default() == 0 {
        bail!("{port:?} is not a port");
    }
    let is_name = |host: &str| {
        let is_fit = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        (1..=253).contains(&host.len()) && host.chars().all(is_fit)
    };
    let is_ipv6 = |host: &str| {
        let inner = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        inner.is_some_and(|inner| inner.parse::<std::net::Ipv6Addr>().is_ok())
    };
    if is_name(host) || is_ipv6(host) {
        Ok(())
    } else {
        bail!("{host:?} is not a host")
    }
}

/// A process to ask and its address, or the reason why it cannot be asked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) role: &'static str,
    /// Its key, or empty if it is not known.
    pub(crate) id: String,
    pub(crate) page: Result<String, String>,
}

/// The members of the network, and the indexer of the client configuration.
///
/// # Errors
/// If the client configuration or the network file cannot be read.
pub(crate) fn members(global: &Global) -> anyhow::Result<Vec<Asked>> {
    let config = ClientConfig::load(&locate(global.config.as_deref())?)?;
    let view = NetworkFile::load(&config.network, fs::read_to_string)?.view()?;
    let known: Vec<_> = view
        .identities()
        .iter()
        .map(|member| {
            let page = member.addresses.http.as_str();
            (member.role.as_str(), member.key.to_string(), page)
        })
        .collect();
    let mut asked = pages(&known);
    let indexer = config
        .indexer
        .map(|url| url.trim_end_matches('/').to_owned());
    if let Some(indexer) = indexer
        && !asked
            .iter()
            .any(|known| known.page.as_ref() == Ok(&indexer))
    {
        asked.push(Asked {
            role: "indexer",
            id: String::new(),
            page: Ok(indexer),
        });
    }
    Ok(asked)
}

/// Where each member is asked. Two with one address, as on loopback of two machines, are asked nowhere: one of them
/// would answer for both.
fn pages(members: &[(&'static str, String, &str)]) -> Vec<Asked> {
    let page = |page: &str| {
        if page.is_empty() {
            return Err("the network file has no address of its pages: pass --http".to_owned());
        }
        match members
            .iter()
            .filter(|(_, _, other)| *other == page)
            .count()
        {
            1 => Ok(format!("http://{page}")),
            count => Err(format!(
                "the network file has {page} for {count} members: run this on each machine with --http"
            )),
        }
    };
    members
        .iter()
        .map(|(role, id, address)| Asked {
            role,
            id: id.clone(),
            page: page(address),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_pages_is_trimmed_and_checked() {
        for text in ["http://127.0.0.1:7003", " http://127.0.0.1:7003/ "] {
            assert_eq!(parse_url(text).as_deref(), Ok("http://127.0.0.1:7003"));
        }
        assert!(parse_url("http://[::1]:7003").is_ok());
        for text in [
            "",
            "127.0.0.1:7003",
            "https://a:1",
            "http://",
            "http://a:x",
            "http://a:1/readyz",
        ] {
            assert!(parse_url(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_address_of_a_member_is_a_host_and_a_port() {
        for text in ["127.0.0.1:7001", "peer1.example.org:4701", "[::1]:1"] {
            assert_eq!(parse_address(text).as_deref(), Ok(text));
        }
        for text in [
            "",
            "7001",
            "host",
            ":7001",
            "host:",
            "host:0",
            "host:70000",
            "::1:7001",
            "https://host:7001",
            "a b:1",
            "host:+1",
        ] {
            assert!(parse_address(text).is_err(), "{text}");
        }
    }

    #[test]
    fn nobody_answers_for_another_or_is_left_out() {
        let members = [
            ("peer", "a".to_owned(), "10.0.0.1:7003"),
            ("peer", "b".to_owned(), "127.0.0.1:7003"),
            ("peer", "c".to_owned(), "127.0.0.1:7003"),
            ("aggregator", "d".to_owned(), ""),
        ];
        let pages = pages(&members).into_iter().map(|asked| asked.page);
        let words = pages.map(|page| page.unwrap_or_else(|why| why));
        let words: Vec<_> = words.collect();
        assert_eq!(words[0], "http://10.0.0.1:7003");
        for why in &words[1..3] {
            assert!(why.contains("127.0.0.1:7003 for 2 members"), "{why}");
        }
        assert!(words[3].contains("no address"));
    }
}
