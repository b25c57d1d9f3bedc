//! `jindu kiosk …`

use clap::{Args, Subcommand};

use base::{Bilingual, Network};

/// What is to be done with kiosks.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub(crate) enum KioskCommand {
    /// Print a one-time address that makes the browser that opens it this kiosk
    Add(AddKiosk),
    /// List the enrolled kiosks, when each was seen, and what it did
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove a kiosk: within two seconds its browser is no kiosk any more
    Revoke {
        /// The kiosk
        name: String,
    },
}

/// A kiosk to be enrolled.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub(crate) struct AddKiosk {
    /// Its name in records, metrics and the log: letters, digits, . _ -
    pub name: String,
    /// The hall that it stands in
    #[arg(long, value_name = "HALL")]
    pub hall: String,
    /// The network that it may ask from; repeatable; any where none is given
    #[arg(long, value_name = "NETWORK", value_parser = network)]
    pub addresses: Vec<Network>,
    /// Give a kiosk that is enrolled another browser
    #[arg(long)]
    pub renew: bool,
    /// How many minutes the address is valid
    #[arg(long, value_name = "MINUTES", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=1440))]
    pub valid: u64,
    /// How kiosks reach the node, as in https://kiosk.example; from web.hosts or web.listen where it is not given
    #[arg(long, value_name = "URL", value_parser = address)]
    pub at: Option<String>,
    /// Print the address alone, without its QR code
    #[arg(long)]
    pub plain: bool,
}

fn address(word: &str) -> Result<String, Bilingual> {
    let host = word.strip_prefix("https://").or_else(|| word.strip_prefix("http://"));
    let fits = host.is_some_and(|host| {
        !host.is_empty()
            && !host.starts_with('/')
            && host.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#\"<>".contains(&byte))
    });
    fits.then(|| word.to_owned()).ok_or(Bilingual::fixed(
        "write how a browser reaches the node, as in https://kiosk.example",
        "请写浏览器访问本节点的地址，如 https://kiosk.example",
    ))
}

fn network(word: &str) -> Result<Network, Bilingual> {
    Network::read(word)
        .ok_or(Bilingual::fixed("write an address or a network, as in 192.0.2.0/24", "请写地址或网络，如 192.0.2.0/24"))
}
