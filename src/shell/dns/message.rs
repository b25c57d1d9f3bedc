//! Questions and answers as DNS messages (RFC 1035 §4).

use std::net::IpAddr;
use std::time::Duration;

use simple_dns::rdata::RData;
use simple_dns::{
    CLASS, CharacterString, Name, Packet, PacketFlag, QCLASS, QTYPE, Question, RCODE, ResourceRecord, TYPE,
};

use sip::locating::{ServicePointer, ServiceRecord};

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    A,
    Aaaa,
    Srv,
    Naptr,
}

/// A record of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Record {
    Address(IpAddr),
    Service(ServiceRecord),
    Pointer(ServicePointer),
}

/// An answer as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Empty: the name, or this kind of record, does not exist.
    pub records: Vec<Record>,
    /// How long it is valid, as the server says.
    pub valid: Duration,
}

/// What a server sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    Answer(Answer),
    /// It did not fit into a datagram: to be asked over TCP (RFC 1035 §4.2.1).
    Truncated,
    /// The server does not answer this question: SERVFAIL, REFUSED and others.
    Refused,
    /// It answers something else, or is no DNS message.
    Other,
}

impl Kind {
    fn code(self) -> TYPE {
        match self {
            Kind::A => TYPE::A,
            Kind::Aaaa => TYPE::AAAA,
            Kind::Srv => TYPE::SRV,
            Kind::Naptr => TYPE::NAPTR,
        }
    }

    fn question(self, name: &str) -> Option<Question<'_>> {
        let name = Name::new(name).ok()?;
        Some(Question::new(name, QTYPE::TYPE(self.code()), QCLASS::CLASS(CLASS::IN), false))
    }

    fn record(self, record: &ResourceRecord<'_>) -> Option<Record> {
        match (self, &record.rdata) {
            (Kind::A, RData::A(a)) => Some(Record::Address(IpAddr::from(a.address.to_be_bytes()))),
            (Kind::Aaaa, RData::AAAA(aaaa)) => Some(Record::Address(IpAddr::from(aaaa.address.to_be_bytes()))),
            (Kind::Srv, RData::SRV(srv)) => Some(Record::Service(ServiceRecord {
                priority: srv.priority,
                weight: srv.weight,
                port: srv.port,
                target: srv.target.to_string(),
            })),
            (Kind::Naptr, RData::NAPTR(naptr)) => Some(Record::Pointer(ServicePointer {
                order: naptr.order,
                preference: naptr.preference,
                flags: text(&naptr.flags),
                service: text(&naptr.services),
                replacement: naptr.replacement.to_string(),
            })),
            _other_kind => None,
        }
    }
}

fn text(text: &CharacterString<'_>) -> String {
    text.to_string()
}

/// A recursive question; `None`: the text is no name.
pub(crate) fn question(id: u16, name: &str, kind: Kind) -> Option<Vec<u8>> {
    let mut packet = Packet::new_query(id);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    packet.questions.push(kind.question(name)?);
    packet.build_bytes_vec().ok()
}

/// Reads the reply to a question.
pub(crate) fn reply(octets: &[u8], id: u16, name: &str, kind: Kind) -> Reply {
    let Ok(packet) = Packet::parse(octets) else { return Reply::Other };
    let is_mine = packet.id() == id
        && packet.has_flags(PacketFlag::RESPONSE)
        && matches!(packet.questions.as_slice(), [question] if is_question(question, name, kind));
    if !is_mine {
        return Reply::Other;
    }
    if packet.has_flags(PacketFlag::TRUNCATION) {
        return Reply::Truncated;
    }
    match packet.rcode() {
        RCODE::NoError => Reply::Answer(answer(&packet, name, kind)),
        RCODE::NameError => Reply::Answer(Answer { records: Vec::new(), valid: negative(&packet) }),
        _failure => Reply::Refused,
    }
}

fn is_question(question: &Question<'_>, name: &str, kind: Kind) -> bool {
    question.qtype == QTYPE::TYPE(kind.code()) && is_name(&question.qname, name)
}

fn is_name(name: &Name<'_>, text: &str) -> bool {
    name.to_string().eq_ignore_ascii_case(text)
}

/// The records of a name, through its aliases (RFC 1034 §3.6.2).
fn answer(packet: &Packet<'_>, name: &str, kind: Kind) -> Answer {
    let (mut name, mut ttl) = (name.to_owned(), u32::MAX);
    for _ in 0..ALIASES_MAX {
        let of_name = packet.answers.iter().filter(|record| is_name(&record.name, &name));
        let records: Vec<(Record, u32)> =
            of_name.clone().filter_map(|record| Some((kind.record(record)?, record.ttl))).collect();
        if !records.is_empty() {
            ttl = records.iter().map(|(_, ttl)| *ttl).fold(ttl, u32::min);
            let records = records.into_iter().take(RECORDS_MAX).map(|(record, _)| record).collect();
            return Answer { records, valid: Duration::from_secs(ttl.into()) };
        }
        let alias = of_name.clone().find_map(|record| match &record.rdata {
            RData::CNAME(alias) => Some((alias.0.to_string(), record.ttl)),
            _other => None,
        });
        let Some((next, of_alias)) = alias else { break };
        (name, ttl) = (next, ttl.min(of_alias));
    }
    Answer { records: Vec::new(), valid: negative(packet) }
}

/// How long the absence of records is valid (RFC 2308 §5).
fn negative(packet: &Packet<'_>) -> Duration {
    let soa = packet.name_servers.iter().find_map(|record| match &record.rdata {
        RData::SOA(soa) => Some(record.ttl.min(soa.minimum)),
        _other => None,
    });
    Duration::from_secs(soa.unwrap_or(0).into())
}

/// Aliases that are followed in one answer.
const ALIASES_MAX: usize = 8;
/// Records of one answer that are used.
const RECORDS_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use proptest::prelude::*;
    use simple_dns::rdata::{A, CNAME};

    use super::*;

    fn records(owners: &[(&str, RData<'static>, u32)]) -> Vec<u8> {
        let mut packet = Packet::new_reply(7);
        packet.set_flags(PacketFlag::RESPONSE);
        packet.questions.push(Kind::A.question("a.example").expect("a name"));
        for (owner, data, ttl) in owners {
            let name = Name::new(owner).expect("a name").into_owned();
            packet.answers.push(ResourceRecord::new(name, CLASS::IN, *ttl, data.clone()));
        }
        packet.build_bytes_vec().expect("written")
    }

    fn address(last: u8) -> RData<'static> {
        RData::A(A { address: Ipv4Addr::new(192, 0, 2, last).into() })
    }

    fn alias(to: &'static str) -> RData<'static> {
        RData::CNAME(CNAME(Name::new_unchecked(to)))
    }

    #[test]
    fn aliases_are_followed_and_the_shortest_time_counts() {
        let octets = records(&[
            ("A.Example", alias("b.example"), 50),
            ("b.example", address(1), 300),
            ("b.example", address(2), 40),
            ("other.example", address(9), 1),
        ]);
        let Reply::Answer(answer) = reply(&octets, 7, "a.example", Kind::A) else { panic!("an answer") };
        let address = |last| Record::Address(Ipv4Addr::new(192, 0, 2, last).into());
        assert_eq!((answer.records, answer.valid.as_secs()), (vec![address(1), address(2)], 40));
    }

    #[test]
    fn aliases_in_a_circle_are_no_address() {
        let octets = records(&[("a.example", alias("b.example"), 9), ("b.example", alias("a.example"), 9)]);
        assert!(matches!(reply(&octets, 7, "a.example", Kind::A), Reply::Answer(answer) if answer.records.is_empty()));
    }

    #[test]
    fn what_answers_another_question_is_left_out() {
        let octets = records(&[("a.example", address(1), 60)]);
        for (id, name, kind) in [(8, "a.example", Kind::A), (7, "b.example", Kind::A), (7, "a.example", Kind::Aaaa)] {
            assert_eq!(reply(&octets, id, name, kind), Reply::Other);
        }
        let asked = question(7, "a.example", Kind::A).expect("a name");
        assert_eq!(reply(&asked, 7, "a.example", Kind::A), Reply::Other, "a question is no reply");
        assert!(question(7, &"x".repeat(300), Kind::A).is_none());
        for length in 0..octets.len() {
            assert_eq!(reply(&octets[..length], 7, "a.example", Kind::A), Reply::Other);
        }
    }

    proptest! {
        #[test]
        fn no_octets_panic(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = reply(&octets, 7, "a.example", Kind::Srv);
        }

        #[test]
        fn no_damaged_reply_panics(at in 0usize..120, value in any::<u8>(), length in 0usize..120) {
            let mut octets = records(&[("a.example", alias("b.example"), 9), ("b.example", address(1), 9)]);
            let at = at % octets.len();
            octets[at] = value;
            let _ = reply(&octets[..length.min(octets.len())], 7, "a.example", Kind::A);
            let _ = reply(&octets, 7, "a.example", Kind::A);
        }
    }
}
