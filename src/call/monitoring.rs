//! A supervisor at the conversation of a caller and an agent: who hears whom.
//!
//! | mode | caller hears | agent hears | supervisor hears |
//! |---|---|---|---|
//! | listen | agent | caller | caller, agent |
//! | whisper | agent | caller, supervisor | caller, agent |
//! | barge | agent, supervisor | caller, supervisor | caller, agent |
//! | take over | supervisor | – | caller |
//!
//! While the agent holds the caller, the caller hears music and is heard by neither: the supervisor hears the agent alone, and in
//! whisper and barge both can speak about the caller.

/// What a supervisor does at a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MonitorMode {
    /// Hears both, and is heard by neither.
    Listen,
    /// Is heard by the agent too.
    Whisper,
    /// Is heard by both.
    Barge,
    /// Talks to the caller in the agent's place.
    TakeOver,
}

/// One who takes part in a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Party {
    /// Who called.
    Caller,
    /// Who answered.
    Agent,
    /// Who monitors.
    Supervisor,
}

impl MonitorMode {
    /// All modes, from the one that intrudes least.
    pub const ALL: [MonitorMode; 4] =
        [MonitorMode::Listen, MonitorMode::Whisper, MonitorMode::Barge, MonitorMode::TakeOver];

    /// Its name in requests and in the audit log.
    pub fn name(self) -> &'static str {
        match self {
            MonitorMode::Listen => "listen",
            MonitorMode::Whisper => "whisper",
            MonitorMode::Barge => "barge",
            MonitorMode::TakeOver => "take_over",
        }
    }

    /// The mode of this name.
    pub fn named(name: &str) -> Option<MonitorMode> {
        MonitorMode::ALL.into_iter().find(|mode| mode.name() == name)
    }
}

/// Whether a party hears another one; `monitor`: none without a supervisor, `held`: the caller is on hold.
pub fn hears(monitor: Option<MonitorMode>, held: bool, listener: Party, source: Party) -> bool {
    let takes_over = monitor == Some(MonitorMode::TakeOver);
    let of_caller = listener == Party::Caller || source == Party::Caller;
    if of_caller && held && !takes_over {
        return false;
    }
    match (listener, source) {
        (Party::Caller, Party::Agent) | (Party::Agent, Party::Caller) => !takes_over,
        (Party::Supervisor, Party::Caller) => monitor.is_some(),
        (Party::Supervisor, Party::Agent) => monitor.is_some() && !takes_over,
        (Party::Agent, Party::Supervisor) => matches!(monitor, Some(MonitorMode::Whisper | MonitorMode::Barge)),
        (Party::Caller, Party::Supervisor) => matches!(monitor, Some(MonitorMode::Barge | MonitorMode::TakeOver)),
        (Party::Caller, Party::Caller) | (Party::Agent, Party::Agent) | (Party::Supervisor, Party::Supervisor) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARTIES: [(Party, char); 3] = [(Party::Caller, 'c'), (Party::Agent, 'a'), (Party::Supervisor, 's')];

    /// What caller, agent and supervisor hear.
    fn heard(monitor: Option<MonitorMode>, held: bool) -> [String; 3] {
        PARTIES.map(|(listener, _)| {
            let is_heard = |(source, _): &&(Party, char)| hears(monitor, held, listener, *source);
            PARTIES.iter().filter(is_heard).map(|(_, name)| name).collect()
        })
    }

    #[test]
    fn each_mode_opens_the_ways_that_it_needs_and_no_other() {
        for (mode, talking, on_hold) in [
            (None, ["a", "c", ""], ["", "", ""]),
            (Some(MonitorMode::Listen), ["a", "c", "ca"], ["", "", "a"]),
            (Some(MonitorMode::Whisper), ["a", "cs", "ca"], ["", "s", "a"]),
            (Some(MonitorMode::Barge), ["as", "cs", "ca"], ["", "s", "a"]),
            (Some(MonitorMode::TakeOver), ["s", "", "c"], ["s", "", "c"]),
        ] {
            assert_eq!(heard(mode, false), talking, "{mode:?}");
            assert_eq!(heard(mode, true), on_hold, "{mode:?} on hold");
        }
    }

    #[test]
    fn a_mode_is_found_by_its_name() {
        for mode in MonitorMode::ALL {
            assert_eq!(MonitorMode::named(mode.name()), Some(mode));
        }
        assert_eq!(MonitorMode::named("record"), None);
    }
}
