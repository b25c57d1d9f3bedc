//! What is known of agents beside their accounts: the queues and skills of each, and where the telephone is.

use rusqlite::{Connection, Row, params};

use studio::Role;

use super::error::AccountError;
use super::handle::Accounts;

/// What an agent serves, and by which telephone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AgentDuty {
    /// The queues by name; none: every queue.
    pub queues: Vec<String>,
    /// What the agent can do: `en`, `visa`.
    pub skills: Vec<String>,
    /// The SIP address of the telephone; none: the one that is registered with the account's number.
    pub address: Option<String>,
}

impl AgentDuty {
    /// What the audit log says of it, as `queues visa, skills en, sip:801@192.0.2.7`.
    fn noted(&self) -> String {
        let listed = |name: &str, words: &[String]| (!words.is_empty()).then(|| format!("{name} {}", words.join(" ")));
        let parts = [listed("queues", &self.queues), listed("skills", &self.skills), self.address.clone()];
        parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

/// An account with the role of an agent or of a supervisor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentAccount {
    /// The name of the account.
    pub name: String,
    /// Its number: the user that its telephone registers with.
    pub number: String,
    /// What the agent serves.
    pub duty: AgentDuty,
}

impl Accounts {
    /// Sets what an agent serves.
    ///
    /// # Errors
    /// There is no such account, or the file cannot be written.
    pub fn set_agent(&self, name: &str, duty: &AgentDuty, by: &str) -> Result<(), AccountError> {
        self.change(name, "agent", by, &duty.noted(), |connection, account| {
            let sql = "INSERT INTO agents (account, queues, skills, address) VALUES (?1, ?2, ?3, ?4)
                       ON CONFLICT (account) DO UPDATE SET queues = ?2, skills = ?3, address = ?4";
            let (queues, skills) = (duty.queues.join(" "), duty.skills.join(" "));
            connection.execute(sql, params![account.operator.id, queues, skills, duty.address]).map(drop)
        })
    }

    /// The agents, by name.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn agents(&self) -> Result<Vec<AgentAccount>, AccountError> {
        Ok(of_role(&self.lock(), Role::Agent)?)
    }

    /// The supervisors, by name: of their duty, only the telephone counts.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn supervisors(&self) -> Result<Vec<AgentAccount>, AccountError> {
        Ok(of_role(&self.lock(), Role::Supervisor)?)
    }
}

fn of_role(connection: &Connection, role: Role) -> rusqlite::Result<Vec<AgentAccount>> {
    let sql =
        "SELECT name, number, coalesce(queues, '') AS queues, coalesce(skills, '') AS skills, address FROM accounts
               LEFT JOIN agents ON agents.account = accounts.id
               WHERE removed_us IS NULL AND role = ?1 ORDER BY name";
    connection.prepare_cached(sql)?.query_map([role.code()], agent)?.collect()
}

fn agent(row: &Row) -> rusqlite::Result<AgentAccount> {
    let words = |name| {
        let text: String = row.get(name)?;
        Ok::<_, rusqlite::Error>(text.split_whitespace().map(str::to_owned).collect())
    };
    let duty = AgentDuty { queues: words("queues")?, skills: words("skills")?, address: row.get("address")? };
    Ok(AgentAccount { name: row.get("name")?, number: row.get("number")?, duty })
}
