//! The register between a node and the command line.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use super::*;
use support::folder::Folder;
use web::{EnrolmentError, NewKiosk};

fn new(name: &str) -> NewKiosk {
    let valid = Duration::from_secs(1800);
    NewKiosk { name: name.into(), hall: "north".into(), addresses: Vec::new(), valid, renew: false }
}

#[test]
fn a_node_follows_what_the_command_line_adds_and_revokes() {
    let folder = Folder::new();
    let (node, command) = (KioskStore::open(folder.path()).unwrap(), KioskStore::open(folder.path()).unwrap());
    let from = [10, 1, 2, 3].into();
    let code = command.add(&new("north-1")).unwrap();
    node.follow();
    assert_eq!(node.register().kiosks().len(), 1);
    let enrolled = node.redeem(&code, from).unwrap();
    assert_eq!(enrolled.kiosk.as_str(), "north-1");
    assert!(matches!(node.redeem(&code, from), Err(KioskStoreError::Enrolment(EnrolmentError::Code))));
    assert!(node.register().kiosk_of(enrolled.token.expose(), from).is_some());
    command.revoke("north-1").unwrap();
    node.follow();
    assert!(node.register().kiosk_of(enrolled.token.expose(), from).is_none());
}

#[test]
fn a_copy_of_the_register_serves_at_another_node() {
    let (one, other) = (Folder::new(), Folder::new());
    let store = KioskStore::open(one.path()).unwrap();
    let code = store.add(&new("north-1")).unwrap();
    let token = store.redeem(&code, [10, 1, 2, 3].into()).unwrap().token;
    std::fs::create_dir(other.path().join("kiosks")).unwrap();
    let file = |folder: &Folder| folder.path().join("kiosks/register.json");
    std::fs::copy(file(&one), file(&other)).unwrap();
    let copy = KioskStore::open(other.path()).unwrap();
    assert!(copy.register().kiosk_of(token.expose(), [10, 1, 2, 3].into()).is_some());
}

#[test]
fn the_files_are_for_their_owner_and_a_damaged_register_leaves_the_kiosks_as_they_are() {
    let folder = Folder::new();
    let store = KioskStore::open(folder.path()).unwrap();
    store.add(&new("north-1")).unwrap();
    let path = folder.path().join("kiosks/register.json");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    std::fs::write(&path, b"{").unwrap();
    store.follow();
    assert_eq!(store.register().kiosks().len(), 1);
    assert!(matches!(KioskStore::open(folder.path()), Err(KioskStoreError::File { .. })));
    assert!(matches!(store.add(&new("north-2")), Err(KioskStoreError::File { .. })), "nothing is overwritten");
}

#[test]
fn what_a_kiosk_did_is_known_after_a_restart() {
    let folder = Folder::new();
    let store = KioskStore::open(folder.path()).unwrap();
    let code = store.add(&new("north-1")).unwrap();
    let kiosk = store.redeem(&code, [10, 1, 2, 3].into()).unwrap().kiosk;
    store.note(&kiosk, Some("c0ffee"), true, false);
    store.note(&kiosk, None, true, true);
    store.write_activities();
    let activity = KioskStore::open(folder.path()).unwrap().activity("north-1");
    assert_eq!((activity.scans, activity.faults, activity.version.as_str()), (2, 1, "c0ffee"));
    assert!(activity.seen().is_some());
    assert_eq!(store.activity("other"), Activity::default());
}
