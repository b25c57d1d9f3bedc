use std::path::Path;

use super::*;

const SHIPPED: &str = include_str!("../../config/jindu.toml");

fn errors(text: &str, overrides: &[&str]) -> Vec<String> {
    let overrides: Vec<String> = overrides.iter().map(|text| (*text).to_owned()).collect();
    match read(text, &overrides, Path::new("/srv")) {
        Ok(_) => Vec::new(),
        Err(found) => {
            for error in &found {
                assert_ne!(error.what.en, error.what.zh, "{error} is in Chinese, too");
            }
            found.iter().map(ToString::to_string).collect()
        }
    }
}

#[test]
fn the_shipped_file_is_valid() {
    assert_eq!(errors(SHIPPED, &[]), Vec::<String>::new());
}

#[test]
fn the_shipped_file_shows_every_key_with_its_default() {
    let shipped = read(SHIPPED, &[], Path::new("/srv")).expect("the shipped file is valid");
    let receipts = "[[inquiry.receipt]]\nname = \"city\"\nlength = 15\nprefix = \"4401\"\ngroups = [4, 4, 4, 3]\n";
    let bare = read(receipts, &[], Path::new("/srv")).expect("defaults are valid");
    let strip = |settings: &Settings| {
        let mut settings = settings.clone();
        settings.inquiry.limits.clear();
        settings.inquiry.scanner.qr_patterns.clear();
        settings.phone.desk = None;
        settings.phone.line_test = None;
        settings.phone.studio = None;
        settings.phone.registrar = None;
        settings.phone.queues.queues.clear();
        for trunk in &mut settings.phone.trunks {
            // The shipped file names both services for this machine.
            let trunk = std::sync::Arc::make_mut(trunk);
            (trunk.line_test, trunk.studio) = (false, false);
        }
        format!("{settings:?}")
    };
    assert_eq!(strip(&shipped), strip(&bare));
}

#[test]
fn every_error_comes_at_once_with_key_value_and_remedy() {
    let found =
        errors(SHIPPED, &["phone.calls_max=0", "web.lisen=127.0.0.1:1", "web.clear_warning_s=5", "log.level=loud"]);
    assert_eq!(
        found,
        [
            "phone.calls_max = 0: must be a number from 1 to 30000",
            "web.clear_warning_s = 5: must be a number from 20 to 120",
            "log.level = loud: must be error, warn, info, debug or trace",
            "web.lisen is not a setting (did you mean web.listen?)",
        ]
    );
}

#[test]
fn a_name_is_suggested_where_it_is_near_enough_to_be_meant() {
    let suggests = |key: &str, near: &str| {
        let found = errors(SHIPPED, &[&format!("{key}=1")]);
        found.iter().any(|text| text.contains(&format!("did you mean {near}?")))
    };
    for (written, near) in [
        ("phone.calls_mx", "phone.calls_max"),
        ("phone.listening", "phone.listen"),
        ("phone.hep.colector", "phone.hep.collector"),
    ] {
        assert!(suggests(written, near), "{written}");
    }
    for far in ["phone.foo", "web.abc", "log.x"] {
        let found = errors(SHIPPED, &[&format!("{far}=1")]);
        assert!(found.len() == 1 && !found[0].contains("did you mean"), "{found:?}");
    }
}

#[test]
fn a_value_of_another_kind_in_a_table_is_named_with_what_it_must_be() {
    let told = |table: &str, named: &[&str]| {
        let found = errors(SHIPPED, &[table]);
        let all = |text: &String| named.iter().all(|word| text.contains(word));
        assert!(found.len() == 1 && all(&found[0]), "{named:?} in {found:?}");
        assert!(!found[0].contains("invalid type") && !found[0].contains("u64") && !found[0].contains("variant"));
    };
    told("queue=[{name=\"desk\", wrap_up_s=\"10s\"}]", &["`wrap_up_s`", "whole number", "\"10s\""]);
    told("queue=[{name=\"desk\", record=\"yes\"}]", &["`record`", "true or false"]);
    told("queue=[{name=\"desk\", wrapup=5}]", &["`wrapup`", "did you mean wrap_up_s?"]);
    let all = errors(SHIPPED, &["queue=[{name=\"desk\", wrapup=5, ring_limit_s=\"9\", record=\"yes\"}]"]);
    assert_eq!(all.len(), 3, "{all:?}");
    told("inquiry.limit=[{document=\"passport\", n=7, unit=\"workdays\"}]", &["`unit`", "working_days", "workdays"]);
}

/// The place and the key of every diagnostic.
fn places(text: &str, overrides: &[&str]) -> Vec<(SettingPlace, String)> {
    let overrides: Vec<String> = overrides.iter().map(|text| (*text).to_owned()).collect();
    let found = read(text, &overrides, Path::new("/srv")).expect_err("it is wrong");
    found.into_iter().map(|diagnostic| (diagnostic.place, diagnostic.key)).collect()
}

#[test]
fn what_is_wrong_on_the_command_line_is_named_as_written_there_and_alone() {
    for (set, key) in [
        ("foo.bar=1", "foo"),
        ("inquiry.receipt.city.check=lunh", "inquiry.receipt[0]"),
        ("queue.desk.ring_limit_s=0", "queue"),
        ("queue.desk.wrap_up=1", "queue[0]"),
        ("phone.listen=udp:300.1.1.1:5060", "phone.listen"),
        ("phone.calls_max=\"500\"", "phone.calls_max"),
        ("phone.media_ports=29999-20000", "phone.media_ports"),
    ] {
        assert_eq!(places(SHIPPED, &[set]), [(SettingPlace::CommandLine, key.to_owned())], "{set}");
    }
}

#[test]
fn a_listener_on_every_address_needs_one_to_name() {
    let warned = |set: &[&str]| {
        let set: Vec<String> = set.iter().map(|text| (*text).to_owned()).collect();
        let settings = read(SHIPPED, &set, Path::new("/srv")).expect("right");
        settings.warnings().iter().any(|warning| warning.en.contains("[phone.public_address]"))
    };
    let every = "phone.listen=udp:0.0.0.0:5060";
    assert!(
        warned(&[every])
            && warned(&["phone.listen=udp:[::]:5060,udp:127.0.0.1:5060", "phone.public_address=192.0.2.1"])
    );
    assert!(!warned(&[]) && !warned(&[every, "phone.public_address=192.0.2.1"]));
}

const RECEIPTS: &str = "[[inquiry.receipt]]\nname = \"city\"\nlength = 15\nprefix = \"4401\"\ngroups = [4, 4, 4, 3]\n";

#[test]
fn a_diagnostic_names_the_line_of_its_key_or_of_the_table_that_lacks_it() {
    let text = format!(
        "{RECEIPTS}[phone]\ncalls_max = 0\nlisen = \"x\"\n\n[[trunk]]\nname = \"carrier\"\naddresses = [\"192.0.2.1\"]\n\
         dtmf = \"morse\"\n[[trunk]]\nname = \"Zwei\"\n[trunk.register]\nuser = \"a\"\n"
    );
    let found = places(&text, &["web.clear_warning_s=5", "phone"]);
    let line_of = |key: &str| found.iter().find(|(_, found)| found == key).map(|(place, _)| *place);
    assert_eq!(line_of("phone.calls_max"), Some(SettingPlace::Line(7)));
    assert_eq!(line_of("phone.lisen"), Some(SettingPlace::Line(8)));
    assert_eq!(line_of("trunk.carrier.dtmf"), Some(SettingPlace::Line(13)));
    assert_eq!(line_of("trunk.#2.name"), Some(SettingPlace::Line(15)));
    assert_eq!(line_of("trunk.#2.register.realm"), Some(SettingPlace::Line(16)), "{found:?}");
    assert_eq!(line_of("web.clear_warning_s"), Some(SettingPlace::CommandLine));
    assert_eq!(line_of("--set phone"), Some(SettingPlace::CommandLine));
}

#[test]
fn a_table_of_a_list_names_the_line_of_the_field_at_fault() {
    let text = RECEIPTS.replace("length", "lenght");
    assert!(places(&text, &[]).contains(&(SettingPlace::Line(3), "inquiry.receipt[0]".to_owned())));
    let text = RECEIPTS.replace("length = 15\n", "");
    assert!(places(&text, &[]).contains(&(SettingPlace::Line(1), "inquiry.receipt[0]".to_owned())));
}

#[test]
fn what_is_not_toml_is_reported_by_line_together_with_every_other_error() {
    let text = format!("{RECEIPTS}[phone]\ncalls_max = 0\nline_test = \n[web\nlisen = 1\n[log]\nlevel = \"loud\"\n");
    let found = places(&text, &[]);
    let syntax: Vec<_> = found.iter().filter(|(_, key)| key.is_empty()).map(|(place, _)| *place).collect();
    assert_eq!(syntax, [SettingPlace::Line(8), SettingPlace::Line(9)], "{found:?}");
    for other in
        [(SettingPlace::Line(7), "phone.calls_max".to_owned()), (SettingPlace::Line(12), "log.level".to_owned())]
    {
        assert!(found.contains(&other), "{found:?}");
    }
}

#[test]
fn the_recording_service_and_the_line_test_have_numbers_of_their_own() {
    assert_eq!(errors(SHIPPED, &["phone.studio=9196"]), ["phone.studio = 9196: must differ from phone.line_test"]);
    assert_eq!(errors(SHIPPED, &["phone.studio=", "phone.line_test="]), Vec::<String>::new());
}

#[test]
fn listen_takes_one_text_a_list_or_both_transports() {
    let listen =
        |text: &str| read(SHIPPED, &[format!("phone.listen={text}")], Path::new("/srv")).expect("right").phone.listen;
    let both = listen("127.0.0.1:0");
    assert_eq!(both, listen("udp:127.0.0.1:0,tcp:127.0.0.1:0"));
    assert_eq!(both, listen("[\"udp:127.0.0.1:0\", \"tcp:127.0.0.1:0\"]"));
    assert_eq!(listen("udp:[::1]:5060").len(), 1);
}

#[test]
fn a_network_contains_its_addresses_and_no_others() {
    let network = Network { address: "192.0.2.0".parse().expect("address"), prefix: 24 };
    assert!(network.contains("192.0.2.7".parse().expect("address")));
    assert!(network.contains("::ffff:192.0.2.7".parse().expect("address")));
    assert!(!network.contains("192.0.3.7".parse().expect("address")));
    let everyone = Network { address: "0.0.0.0".parse().expect("address"), prefix: 0 };
    assert!(everyone.contains("203.0.113.9".parse().expect("address")));
}

#[test]
fn text_that_is_not_toml_is_one_error_beside_those_of_what_is_missing() {
    let found = places("phone = [", &[]);
    let syntax: Vec<_> = found.iter().filter(|(_, key)| key.is_empty()).collect();
    assert_eq!(syntax, [&(SettingPlace::Line(1), String::new())], "{found:?}");
}

#[test]
fn every_error_of_an_upstream_comes_at_once() {
    let found = errors(
        SHIPPED,
        &[
            "replica.source=mysql",
            "replica.postgres.servers=db1:port",
            "replica.postgres.tls=prefer",
            "replica.postgres.slot=Node-1",
            "replica.postgres.columns.birth_date=born",
            "replica.postgres.columns.stage=",
            "replica.postgres.stages.10=dancing",
            "replica.postgres.time_zone=Canton",
        ],
    );
    let keys: Vec<&str> = found.iter().filter_map(|text| text.split([' ', ':']).next()).collect();
    let expected =
        ["source", "postgres.servers", "postgres.servers", "postgres.tls", "postgres.slot", "postgres.columns.id_tail"];
    let rest = ["postgres.columns.stage", "postgres.stages.10", "postgres.time_zone"];
    for key in expected.iter().chain(&rest) {
        assert!(keys.contains(&format!("replica.{key}").as_str()), "{key} in {found:?}");
    }
}

#[test]
fn servers_columns_and_codes_of_an_upstream_are_read() {
    let set = [
        "replica.postgres.servers=db1.example,[::1]:5433,/run/postgresql:5434",
        "replica.postgres.columns.hall==central",
        "replica.postgres.columns.waybill=",
        "replica.postgres.stages.10=accepted",
    ];
    let set: Vec<String> = set.map(str::to_owned).into();
    let upstream = read(SHIPPED, &set, Path::new("/srv")).expect("right").replica.postgres;
    let servers: Vec<String> = upstream.servers.iter().map(ToString::to_string).collect();
    assert_eq!(servers, ["db1.example:5432", "[::1]:5433", "/run/postgresql:5434"]);
    let columns: Vec<&str> = upstream.mapping.columns().map(|(_, name)| name).collect();
    assert!(!columns.contains(&"hall") && !columns.contains(&"waybill") && columns.contains(&"stage"));
    assert_eq!(upstream.mapping.stages.get("10"), Some(&inquiry::Stage::Accepted));
}

#[test]
fn hosts_are_names_or_addresses_without_a_port() {
    let set = |value: &str| [format!("web.hosts={value}")];
    let web = read(SHIPPED, &set("Kiosk.Example,192.0.2.7,[2001:DB8::1]"), Path::new("/srv")).expect("right").web;
    assert_eq!(web.hosts, ["kiosk.example", "192.0.2.7", "2001:db8::1"]);
    for wrong in ["kiosk.example:80", "http://kiosk.example", "一楼"] {
        assert!(errors(SHIPPED, &[&format!("web.hosts={wrong}")])[0].starts_with("web.hosts"), "{wrong}");
    }
}

#[test]
fn the_kiosk_for_trying_out_exists_while_only_this_machine_is_served() {
    let has = |set: &[&str]| {
        let set: Vec<String> = set.iter().map(|value| (*value).to_owned()).collect();
        read(SHIPPED, &set, Path::new("/srv")).expect("right").web.has_try_out_kiosk()
    };
    assert!(has(&[]) && has(&["web.listen=127.0.0.1:8080,[::1]:8080"]));
    for set in [
        "web.listen=127.0.0.1:80,192.0.2.7:80",
        "web.listen=0.0.0.0:80",
        "web.proxies=127.0.0.1",
        "web.try_out_kiosk=false",
    ] {
        assert!(!has(&[set]), "{set}");
    }
}

#[test]
fn a_balancer_without_hosts_is_warned_of() {
    let warned = |set: &[&str]| {
        let set: Vec<String> = set.iter().map(|value| (*value).to_owned()).collect();
        let warnings = read(SHIPPED, &set, Path::new("/srv")).expect("right").warnings();
        warnings.iter().any(|warning| warning.en.starts_with("web.hosts"))
    };
    assert!(warned(&["web.proxies=192.0.2.20"]) && warned(&["studio.proxies=192.0.2.20"]));
    assert!(!warned(&[]) && !warned(&["web.proxies=192.0.2.20", "web.hosts=kiosk.example"]));
}
