//! The settings of queues, agents and call-backs, and what is wrong with them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use base::{Bilingual, NumberPattern, bilingual};

/// All queues of a node.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The queues, at most 64.
    pub queues: Vec<QueueSettings>,
    /// The agents who may sign in, at most 1,000.
    pub agents: Vec<AgentSettings>,
    /// The reasons that an agent may give for a pause: `lunch`, `training`.
    pub pauses: Vec<Arc<str>>,
    /// Rules of call-backs.
    pub call_backs: CallBackSettings,
}

/// How agents are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ring {
    /// One agent at a time: the one who has been idle for the longest time.
    LongestIdle,
    /// Up to so many agents at once, the longest idle first; the first to answer gets the caller.
    Group(u8),
}

/// One queue.
#[derive(Clone, Debug)]
pub struct QueueSettings {
    /// As the flow names it.
    pub name: Arc<str>,
    /// Whether it is open at the start.
    pub open: bool,
    /// How agents are asked.
    pub ring: Ring,
    /// How long an agent's phone may ring.
    pub ring_limit: Duration,
    /// So many missed offers in a row make an agent not ready.
    pub missed_offers_max: u8,
    /// Lines to a call centre elsewhere, which serve this queue as agents would; at most 500. 0: its agents do.
    pub lines: u16,
    /// The time for notes after a conversation, in which an agent gets no caller; lines need none.
    pub wrap_up: Duration,
    /// The most callers who wait at once, call-backs not counted; at most 10,000.
    pub waiting_max: usize,
    /// The longest wait.
    pub wait_max: Duration,
    /// The queue that takes callers when this one is full, or has kept them for its longest wait; absent: the flow goes on.
    pub overflow: Option<Arc<str>>,
    /// How long callers wait for an agent to sign in when none is signed in that could serve them.
    pub without_agents: Duration,
    /// Callers who are answered within this time count for the service level.
    pub service_level: Duration,
}

/// An agent.
#[derive(Clone, Debug)]
pub struct AgentSettings {
    /// Unique.
    pub name: Arc<str>,
    /// The queues that the agent serves.
    pub queues: Vec<Arc<str>>,
    /// What the agent can do: `en`, `visa`.
    pub skills: Vec<Arc<str>>,
}

/// Rules of call-backs: which numbers, how often, how many.
#[derive(Clone, Debug)]
pub struct CallBackSettings {
    /// Numbers that may be called; without a pattern none may.
    pub allow: Vec<NumberPattern>,
    /// Numbers that may not be called, though a pattern allows them.
    pub deny: Vec<NumberPattern>,
    /// The most call-backs that wait at once, at most 10,000.
    pub waiting_max: usize,
    /// The most call-backs of one number within 24 hours.
    pub per_number_per_day: u8,
    /// The most call-backs within 24 hours.
    pub per_day: u32,
    /// How often a number is called before it counts as unreachable.
    pub attempts_max: u8,
    /// The time between two attempts.
    pub retry_after: Duration,
    /// How long the number may ring.
    pub ring_limit: Duration,
    /// How long the person may take, once the call is answered, to agree by a key.
    pub answer_limit: Duration,
    /// How many call-backs may be dialled at the same time.
    pub at_once_max: usize,
    /// A request that could not be fulfilled in this time expires.
    pub keep: Duration,
}

impl Default for CallBackSettings {
    /// No number is allowed.
    fn default() -> Self {
        CallBackSettings {
            allow: Vec::new(),
            deny: Vec::new(),
            waiting_max: 500,
            per_number_per_day: 3,
            per_day: 1_000,
            attempts_max: 3,
            retry_after: Duration::from_secs(600),
            ring_limit: Duration::from_secs(30),
            answer_limit: Duration::from_secs(45),
            at_once_max: 10,
            keep: Duration::from_secs(4 * 86_400),
        }
    }
}

impl QueueSettings {
    /// A queue with common values, open.
    pub fn new(name: &str) -> QueueSettings {
        QueueSettings {
            name: name.into(),
            open: true,
            ring: Ring::LongestIdle,
            ring_limit: Duration::from_secs(20),
            missed_offers_max: 1,
            lines: 0,
            wrap_up: Duration::from_secs(10),
            waiting_max: 100,
            wait_max: Duration::from_secs(1_200),
            overflow: None,
            without_agents: Duration::from_secs(60),
            service_level: Duration::from_secs(15),
        }
    }
}

/// What is wrong with settings.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.text())]
pub enum SettingsError {
    /// Two queues or two agents have one name.
    Twice(Arc<str>),
    /// A queue is named that does not exist.
    UnknownQueue {
        /// The agent or queue.
        by: Arc<str>,
        /// The queue that it names.
        queue: Arc<str>,
    },
    /// There are too many of something.
    TooMany {
        /// `queues`, `agents`, `skills`.
        what: &'static str,
        /// The most.
        max: usize,
    },
    /// A value is out of its range.
    OutOfRange {
        /// The queue, or `call-backs`.
        of: Arc<str>,
        /// The value.
        what: &'static str,
        /// What is allowed.
        range: &'static str,
    },
}

impl SettingsError {
    /// What is wrong, and what to do.
    pub fn text(&self) -> Bilingual {
        match self {
            SettingsError::Twice(name) => bilingual!("{name} is named twice", "{name} 重名"),
            SettingsError::UnknownQueue { by, queue } => {
                bilingual!("{by} names the queue {queue}, which does not exist", "{by} 写了不存在的队列 {queue}")
            }
            SettingsError::TooMany { what, max } => {
                let of = match *what {
                    "queues" => "队列",
                    "agents" => "坐席",
                    _ => "技能",
                };
                bilingual!("there are more than {max} {what}", "{of}超过 {max} 个")
            }
            SettingsError::OutOfRange { of, what, range } => {
                let zh = range.replace(" to ", " 至 ");
                bilingual!("{of}: {what} must be {range}", "{of}：{what} 应为 {zh}")
            }
        }
    }
}

impl Settings {
    /// Every error, in the order of the settings.
    pub fn errors(&self) -> Vec<SettingsError> {
        let mut errors = Vec::new();
        let too_many = |what, len: usize, max| (len > max).then_some(SettingsError::TooMany { what, max });
        errors.extend(too_many("queues", self.queues.len(), QUEUES_MAX));
        errors.extend(too_many("agents", self.agents.len(), AGENTS_MAX));
        let skills: BTreeSet<&str> = self.agents.iter().flat_map(|agent| &agent.skills).map(|skill| &**skill).collect();
        errors.extend(too_many("skills", skills.len(), SKILLS_MAX));
        twice(self.queues.iter().map(|queue| &queue.name), &mut errors);
        twice(self.agents.iter().map(|agent| &agent.name), &mut errors);
        for queue in &self.queues {
            self.known(&queue.name, &queue.overflow, &mut errors);
            queue.ranges(&mut errors);
        }
        for agent in &self.agents {
            self.known(&agent.name, &agent.queues, &mut errors);
        }
        self.call_backs.ranges(&mut errors);
        errors
    }

    fn known<'a>(&self, by: &Arc<str>, named: impl IntoIterator<Item = &'a Arc<str>>, errors: &mut Vec<SettingsError>) {
        let unknown = named.into_iter().filter(|name| self.queues.iter().all(|queue| queue.name != **name));
        errors.extend(unknown.map(|queue| SettingsError::UnknownQueue { by: by.clone(), queue: queue.clone() }));
    }
}

impl QueueSettings {
    fn ranges(&self, errors: &mut Vec<SettingsError>) {
        let mut check = |what, range, holds: bool| {
            if !holds {
                errors.push(SettingsError::OutOfRange { of: self.name.clone(), what, range });
            }
        };
        let seconds = |time: Duration, least, most| (least..=most).contains(&time.as_secs());
        check("ring_limit_s", "5 to 120 s", seconds(self.ring_limit, 5, 120));
        check("wrap_up_s", "0 to 900 s", seconds(self.wrap_up, 0, 900));
        check("wait_max_s", "10 to 14400 s", seconds(self.wait_max, 10, 14_400));
        check("without_agents_s", "0 to 3600 s", seconds(self.without_agents, 0, 3_600));
        check("service_level_s", "1 to 600 s", seconds(self.service_level, 1, 600));
        check("waiting_max", "1 to 10000", (1..=10_000).contains(&self.waiting_max));
        check("lines", "0 to 500", self.lines <= 500);
        check("missed_offers_max", "1 or more", self.missed_offers_max > 0);
        check("ring", "a group of 1 or more", self.ring != Ring::Group(0));
    }
}

impl CallBackSettings {
    fn ranges(&self, errors: &mut Vec<SettingsError>) {
        let mut check = |what, range, holds: bool| {
            if !holds {
                errors.push(SettingsError::OutOfRange { of: "call-backs".into(), what, range });
            }
        };
        let seconds = |time: Duration, least, most| (least..=most).contains(&time.as_secs());
        check("waiting_max", "0 to 10000", self.waiting_max <= 10_000);
        check("per_day", "0 to 100000", self.per_day <= 100_000);
        check("attempts_max", "1 to 10", (1..=10).contains(&self.attempts_max));
        check("retry_after", "60 to 86400 s", seconds(self.retry_after, 60, 86_400));
        check("ring_limit", "10 to 120 s", seconds(self.ring_limit, 10, 120));
        check("answer_limit", "10 to 120 s", seconds(self.answer_limit, 10, 120));
        check("at_once_max", "1 to 100", (1..=100).contains(&self.at_once_max));
        check("keep", "1 hour to 30 days", seconds(self.keep, 3_600, 30 * 86_400));
    }
}

fn twice<'a>(names: impl Iterator<Item = &'a Arc<str>>, errors: &mut Vec<SettingsError>) {
    let mut seen = BTreeSet::new();
    errors.extend(names.filter(|name| !seen.insert(*name)).map(|name| SettingsError::Twice(name.clone())));
}

/// Queues are bits of a word.
pub(crate) const QUEUES_MAX: usize = 64;
pub(crate) const AGENTS_MAX: usize = 1_000;
/// Skills are bits of a word.
pub(crate) const SKILLS_MAX: usize = 64;
