//! Which operator is at which slot, so that two people do not record the same one without knowing.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use speech::Clip;
use studio::Operator;

/// Where each operator was last. One entry an account, so it cannot grow.
#[derive(Default)]
pub(super) struct Presence {
    at: BTreeMap<i64, Seen>,
}

struct Seen {
    name: String,
    clip: Clip,
    when: Instant,
}

impl Presence {
    /// Notes that an operator is at a slot.
    pub(super) fn note(&mut self, who: &Operator, clip: Clip, now: Instant) {
        self.at.insert(who.id, Seen { name: who.name.clone(), clip, when: now });
    }

    /// The other operators at a slot.
    pub(super) fn others(&mut self, who: &Operator, at: Option<&Clip>, now: Instant) -> Vec<String> {
        self.all(who, now)
            .filter(|(clip, _)| at.is_none_or(|at| at == *clip))
            .map(|(_, name)| name.to_owned())
            .collect()
    }

    /// Where the other operators are.
    pub(super) fn all(&mut self, who: &Operator, now: Instant) -> impl Iterator<Item = (&Clip, &str)> {
        self.at.retain(|_, seen| now.saturating_duration_since(seen.when) < GONE_AFTER);
        let me = who.id;
        self.at.iter().filter(move |(id, _)| **id != me).map(|(_, seen)| (&seen.clip, seen.name.as_str()))
    }
}

/// The page reports every eight seconds.
const GONE_AFTER: Duration = Duration::from_secs(25);

#[cfg(test)]
mod tests {
    use super::*;
    use base::Lang;
    use studio::Role;

    #[test]
    fn others_are_named_while_they_are_there_and_never_oneself() {
        let who =
            |id: i64, name: &str| Operator { id, name: name.into(), number: id.to_string(), role: Role::Operator };
        let clip = |id: &str| Clip { lang: Lang::Yue, id: id.into() };
        let (li, chen) = (who(1, "li"), who(2, "chen"));
        let now = Instant::now();
        let mut presence = Presence::default();
        presence.note(&li, clip("a"), now);
        presence.note(&chen, clip("a"), now);
        assert_eq!(presence.others(&li, Some(&clip("a")), now), ["chen"]);
        assert!(presence.others(&li, Some(&clip("b")), now).is_empty());
        presence.note(&chen, clip("b"), now);
        assert!(presence.others(&li, Some(&clip("a")), now).is_empty());
        assert_eq!(presence.others(&chen, Some(&clip("a")), now + Duration::from_secs(24)), ["li"]);
        assert!(presence.others(&chen, Some(&clip("a")), now + Duration::from_secs(26)).is_empty());
    }
}
