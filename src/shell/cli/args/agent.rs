//! `jindu agent …`

use clap::Subcommand;

use base::Bilingual;

/// What is to be done with agents.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub(crate) enum AgentCommand {
    /// List agents and queues: what each agent does, who waits
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Let an agent take callers
    Ready {
        /// The agent's account
        name: String,
    },
    /// Let an agent pause; a conversation goes on to its end
    Pause {
        /// The agent's account
        name: String,
        /// One of phone.pause_reasons; the first where none is given
        #[arg(long, value_name = "REASON")]
        reason: Option<String>,
    },
    /// End an agent's work; a conversation goes on to its end
    SignOut {
        /// The agent's account
        name: String,
    },
    /// Set what an agent serves, and by which telephone; what is not given is every queue, no skill, the registered telephone
    Set {
        /// The account, of the role agent; of a supervisor only --address
        name: String,
        /// A queue that the agent serves; repeatable
        #[arg(long, value_name = "QUEUE", value_parser = word)]
        queue: Vec<String>,
        /// What the agent can do, as in en; repeatable
        #[arg(long, value_name = "SKILL", value_parser = word)]
        skill: Vec<String>,
        /// The SIP address of the agent's telephone, in a trunk of the settings, as in sip:801@192.0.2.7
        #[arg(long, value_name = "URI", value_parser = address)]
        address: Option<String>,
    },
}

fn word(text: &str) -> Result<String, Bilingual> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let fits = (1..=32).contains(&text.len()) && text.bytes().all(plain);
    if fits {
        Ok(text.to_owned())
    } else {
        Err(Bilingual::fixed(
            "write 1 to 32 letters, digits, '.', '-' or '_'",
            "请写 1 至 32 个字母、数字、“.”、“-”或“_”",
        ))
    }
}

fn address(text: &str) -> Result<String, Bilingual> {
    let sip = text.starts_with("sip:") || text.starts_with("sips:");
    let fits = sip && text.len() <= 256 && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"<>\"".contains(&byte));
    if fits {
        Ok(text.to_owned())
    } else {
        Err(Bilingual::fixed("write a SIP URI, as in sip:801@192.0.2.7", "请写 SIP URI，如 sip:801@192.0.2.7"))
    }
}
