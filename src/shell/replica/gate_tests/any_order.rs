//! Random deliveries of a feed: the replica ends as the upstream is.

use super::*;

/// SplitMix64, as everywhere.
struct Chance(u64);

impl Chance {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % n
    }
}

/// Sends the files of an upstream in any order, some twice, some torn or changed first, with restarts between; then
/// all of them.
fn wild_way(seed: u64) {
    let mut chance = Chance(seed);
    let mut upstream = Upstream::new(40);
    let mut files = vec![upstream.snapshot()];
    for _ in 0..10 + chance.below(10) {
        files.push(match chance.below(9) {
            0 => upstream.snapshot(),
            _ => upstream.changes(chance.below(12) as usize),
        });
    }
    let mut node = Node::with(config::Replica { spool_settle: Duration::ZERO, ..settings() });
    for step in 0..40 {
        let place = chance.below(files.len() as u64) as usize;
        let sent = &files[place];
        let cut = chance.below(sent.bytes.len() as u64) as usize;
        match chance.below(8) {
            0 => node.put(&format!("torn{step}.ndjson"), &sent.bytes[..cut]),
            1 => {
                let mut changed = sent.bytes.clone();
                changed[cut] ^= 1 << chance.below(8);
                node.put(&format!("changed{step}.ndjson"), &changed);
            }
            2 => node = node.restart(),
            3 => node.look(),
            _ => node.put(&format!("{}{}", chance.below(3), sent.name), &sent.bytes),
        }
    }
    node.look();
    node.takes(&files.iter().collect::<Vec<_>>());
    // Whatever keeps a file for a moment, such as a reader in the middle of a read, lets it go at a later look.
    let taken = comes(|| {
        node.look();
        // A changed bit can make a file one of a newer format, which waits for a newer program.
        node.left_but("changed") == 0
    });
    assert!(taken, "seed {seed}: {} files wait; {:?}", node.left(), node.replica.alarms());
    node.holds(&upstream.truth());
    assert_eq!(node.replica.as_of(), Some(upstream.as_of), "seed {seed}");
}

#[test]
fn after_any_order_of_deliveries_the_copy_equals_the_upstream() {
    (0..12).for_each(wild_way);
}
