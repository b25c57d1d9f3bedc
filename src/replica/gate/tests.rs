//! The format, byte for byte, and the turn of files.

use std::collections::BTreeMap;

use ed25519_dalek::SigningKey;
use jiff::Timestamp;
use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::*;
use crate::Change;

const CASE: &str = r#"{"receipt":"440100000000123","id_tail":"123X","stage":"review","document":"passport","case_type":"new","hall":"north","accepted_on":"2026-11-02","stage_on":"2026-11-04","version":3}"#;

fn header(sequence: u64, kind: FileKind, previous: Hash, lines: u64) -> FeedHeader {
    let as_of = Timestamp::from_second(1_000 + sequence as i64).unwrap();
    FeedHeader { format: FORMAT, source: "intranet".into(), sequence, kind, previous, as_of, lines }
}

fn file(header: &FeedHeader, lines: &[&str], key: Option<&SigningKey>) -> (Vec<u8>, Hash) {
    let first = header.to_line();
    let content: String =
        std::iter::once(first.as_str()).chain(lines.iter().copied()).map(|line| format!("{line}\n")).collect();
    let hash = Hash(Sha256::digest(&content).into());
    let seal = match key {
        Some(key) => sign(hash, "k1", key),
        None => Seal { sha256: hash, key: None, signature: None },
    };
    (format!("{content}{}\n", seal.to_line()).into_bytes(), hash)
}

fn read(bytes: &[u8], piece: usize) -> (Result<VerifiedFile, FileError>, Vec<Change>) {
    let (mut intake, mut changes) = (FileReader::new(ReadDepth::Rows), Vec::new());
    for piece in bytes.chunks(piece) {
        if let Err(error) = intake.push(piece, &mut |change| changes.push(change)) {
            return (Err(error), changes);
        }
    }
    (intake.end(&mut |change| changes.push(change)), changes)
}

#[test]
fn the_documented_bytes_are_the_bytes_that_are_read() {
    // The hash and the signature were made with OpenSSL of what is written here; nothing of this program made them.
    let text = "{\"feed\":{\"format\":1,\"source\":\"intranet\",\"sequence\":1,\"kind\":\"snapshot\",\"previous\":\"0000000000000000000000000000000000000000000000000000000000000000\",\"as_of\":\"2026-11-23T09:00:00Z\",\"lines\":1}}\n{\"receipt\":\"440100000000123\",\"id_tail\":\"123X\",\"stage\":\"review\",\"document\":\"passport\",\"case_type\":\"new\",\"hall\":\"north\",\"accepted_on\":\"2026-11-02\",\"stage_on\":\"2026-11-04\",\"version\":3}\n{\"seal\":{\"sha256\":\"1d9f7ab9245491e985c46c31e6e38e1c3a8f2d9e7d73e5fe708fbb68e7e94e01\",\"key\":\"office\",\"signature\":\"9c521437853310a035d2707f57ea205ae2f08e714574907e9f5b5b8ecc2da0976b06c69a52be535a6a99b660c0473754f91d682ae9bc062cc5ec4d1c97e0ad0f\"}}\n";
    let (whole, changes) = read(text.as_bytes(), 7);
    let whole = whole.unwrap();
    assert_eq!((changes.len(), whole.header.kind), (1, FileKind::Snapshot));
    let public = read_public("MCowBQYDK2VwAyEARlSOE1k2kqVxAUBKkmhG8JaPX8+KBUBrv1TyiAE1Pg0=").unwrap();
    let key = |name: &str| GateKey { name: name.into(), public, first_sequence: 1, last_sequence: 1 };
    assert_eq!(GateKeys::new(vec![key("office")]).check(&whole), Ok(()));
    assert_eq!(GateKeys::new(vec![key("other")]).check(&whole), Err(SealError::Unknown("office".into())));
}

#[test]
fn a_file_is_read_alike_in_pieces_of_every_size() {
    let long = "y".repeat(40_000);
    let lines = [CASE, "", &delete_line("440100000000123"), "no case", &long, CASE];
    let (bytes, hash) = file(&header(7, FileKind::Changes, Hash([1; 32]), 5), &lines, None);
    for piece in [1, 2, 3, 100, 16_383, 16_384, 16_385, 1 << 20] {
        let (whole, changes) = read(&bytes, piece);
        assert_eq!(whole.map(|whole| whole.hash), Ok(hash), "{piece}");
        let kinds: Vec<String> = changes.iter().map(|change| format!("{change:?}")).collect();
        assert_eq!(kinds, ["Put", "Delete", "Bad", "Bad", "Put"], "{piece}");
    }
}

#[test]
fn a_file_without_its_end_is_torn_wherever_it_ends() {
    let (bytes, _) = file(&header(7, FileKind::Changes, Hash([1; 32]), 2), &[CASE, CASE], None);
    for end in 0..bytes.len() - 1 {
        let (whole, _) = read(&bytes[..end], 64);
        // Of the seal's line a part is there: it is no sound line then, and never a seal.
        let torn =
            matches!(whole, Err(FileError::Torn(_) | FileError::NoFeed | FileError::Seal(_) | FileError::Header(_)))
                || matches!(whole, Err(FileError::Count { .. }));
        assert!(torn, "{end}: {whole:?}");
    }
    assert!(read(&bytes[..bytes.len() - 1], 64).0.is_ok(), "the last line needs no end");
}

#[test]
fn one_changed_byte_anywhere_is_detected() {
    let key = SigningKey::from_bytes(&[1; 32]);
    let keys = GateKeys::new(vec![GateKey {
        name: "k1".into(),
        public: key.verifying_key(),
        first_sequence: 1,
        last_sequence: u64::MAX,
    }]);
    let (bytes, _) = file(&header(7, FileKind::Changes, Hash([1; 32]), 1), &[CASE], Some(&key));
    assert_eq!(keys.check(&read(&bytes, 64).0.unwrap()), Ok(()));
    for place in 0..bytes.len() - 1 {
        let mut changed = bytes.clone();
        changed[place] ^= 0x04;
        let passes = read(&changed, 64).0.is_ok_and(|whole| keys.check(&whole).is_ok());
        // A hex digit of the seal may be written in capitals.
        let same_digit = bytes[place].eq_ignore_ascii_case(&changed[place]);
        assert!(!passes || same_digit, "byte {place}");
    }
}

#[test]
fn what_a_file_claims_must_hold() {
    let wrong = |header: &FeedHeader, lines: &[&str]| read(&file(header, lines, None).0, 100).0.unwrap_err();
    let sound = header(7, FileKind::Changes, Hash([1; 32]), 1);
    assert_eq!(wrong(&FeedHeader { lines: 2, ..sound.clone() }, &[CASE]), FileError::Count { announced: 2, held: 1 });
    assert_eq!(wrong(&sound, &[CASE, CASE]), FileError::Count { announced: 1, held: 2 });
    assert_eq!(wrong(&FeedHeader { lines: CHANGES_MAX + 1, ..sound.clone() }, &[]), FileError::Long);
    assert_eq!(wrong(&FeedHeader { format: 2, ..sound.clone() }, &[CASE]), FileError::Newer(2));
    for bad in [
        FeedHeader { previous: Hash::NONE, ..sound.clone() },
        FeedHeader { sequence: 0, ..sound.clone() },
        FeedHeader { sequence: 1, ..sound.clone() },
        FeedHeader { sequence: u64::MAX, ..sound.clone() },
        FeedHeader { source: "In tranet".into(), ..sound },
    ] {
        assert!(matches!(wrong(&bad, &[CASE]), FileError::Header(_)), "{bad:?}");
    }
    let (bytes, _) = file(&sound, &[CASE], None);
    assert_eq!(read(&[&bytes[..], b"more\n"].concat(), 100).0, Err(FileError::AfterSeal));
    assert!(read(&[&bytes[..], b"\r\n\n"].concat(), 100).0.is_ok());
    assert_eq!(read(b"{\"batch\":{}}\n", 100).0, Err(FileError::NoFeed));
    assert_eq!(read(b"", 100).0, Err(FileError::Torn(0)));
}

#[test]
fn public_keys_are_read_in_each_of_their_forms_and_nothing_else_is() {
    let key = SigningKey::from_bytes(&[3; 32]).verifying_key();
    let hex = base::hex(key.as_bytes());
    assert_eq!(read_public(&hex), Ok(key));
    for text in ["", "MCowBQYDK2VwAyEA", &hex[2..], "-----BEGIN PUBLIC KEY-----"] {
        assert!(read_public(text).is_err(), "{text}");
    }
    assert!(read_public(&format!("01{}", "00".repeat(31))).unwrap_err().contains("weak"));
}

/// A node without files: what it holds, what waits.
struct Model {
    copy: ReplicaState,
    cases: BTreeMap<u32, u64>,
    lineup: FileQueue<usize>,
}

/// A file of the model: what it does to the cases.
struct Made {
    header: FeedHeader,
    hash: Hash,
    puts: Vec<(u32, u64)>,
    deletes: Vec<u32>,
    /// Detected when it is read.
    forged: bool,
}

impl Model {
    fn look(&mut self, files: &[Made]) {
        while let NextFile::Take(name) = self.lineup.turn(&self.copy, None) {
            let made = &files[name];
            self.lineup.remove(&made.header, &name);
            if made.forged {
                continue;
            }
            match self.copy.judge(None, &made.header, Some(&made.hash), |_| None) {
                Standing::Start => {
                    self.cases.clear();
                    self.apply(made);
                }
                Standing::Next => self.apply(made),
                Standing::Repeat | Standing::Superseded => {}
                other => panic!("{other:?} of a true file"),
            }
        }
    }

    fn apply(&mut self, made: &Made) {
        self.cases.extend(made.puts.iter().copied());
        self.cases.retain(|case, _| !made.deletes.contains(case));
        let FeedHeader { source, sequence, as_of, .. } = made.header.clone();
        self.copy = ReplicaState::At(FilePosition { source, sequence, hash: made.hash, as_of });
    }
}

/// A chain of files, the state after its last, and forged ones between them.
fn chain(draws: &[(u8, u32)]) -> (Vec<Made>, BTreeMap<u32, u64>) {
    let (mut made, mut cases, mut previous) = (Vec::new(), BTreeMap::new(), Hash::NONE);
    for (place, (draw, case)) in draws.iter().enumerate() {
        let kind = if place == 0 || draw % 7 == 0 { FileKind::Snapshot } else { FileKind::Changes };
        let (mut puts, mut deletes) = (Vec::new(), Vec::new());
        if kind == FileKind::Snapshot {
            // Between snapshots nothing else happens than what the changes say.
            puts.extend(cases.iter().map(|(case, version)| (*case, *version)));
        } else if draw % 3 == 0 {
            cases.remove(case);
            deletes.push(*case);
        } else {
            cases.insert(*case, place as u64);
            puts.push((*case, place as u64));
        }
        let header = header(place as u64 + 1, kind, previous, 0);
        let hash = Hash(Sha256::digest(header.to_line()).into());
        if draw % 5 == 0 {
            let forged = FeedHeader { sequence: u64::from(*draw) + 1, kind: FileKind::Snapshot, ..header.clone() };
            made.push(Made {
                header: forged,
                hash: Hash([9; 32]),
                puts: vec![(99, 99)],
                deletes: vec![],
                forged: true,
            });
        }
        made.push(Made { header, hash, puts, deletes, forged: false });
        previous = hash;
    }
    (made, cases)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn whatever_order_files_come_in_and_however_often_the_end_is_the_upstreams(
        draws in proptest::collection::vec((any::<u8>(), 0u32..8), 1..20),
        order in proptest::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 0..60),
    ) {
        let (files, truth) = chain(&draws);
        let mut model = Model { copy: ReplicaState::Empty, cases: BTreeMap::new(), lineup: FileQueue::default() };
        let arrive = |model: &mut Model, name: usize| {
            model.lineup.remove(&files[name].header, &name);
            model.lineup.insert(&files[name].header, name);
        };
        for (index, look) in order {
            arrive(&mut model, index.index(files.len()));
            if look {
                model.look(&files);
            }
        }
        (0..files.len()).for_each(|name| arrive(&mut model, name));
        model.look(&files);
        prop_assert_eq!(&model.cases, &truth);
        prop_assert_eq!(model.lineup.turn(&model.copy, None), NextFile::Nothing);
    }

    #[test]
    fn no_bytes_make_the_intake_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600), piece in 1usize..700) {
        let _ = read(&bytes, piece);
        let (sound, _) = file(&header(7, FileKind::Changes, Hash([1; 32]), 2), &[CASE, CASE], None);
        let at = bytes.len() % sound.len();
        let _ = read(&[&sound[..at], &bytes, &sound[at..]].concat(), piece);
    }
}
