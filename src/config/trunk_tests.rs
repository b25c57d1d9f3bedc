use std::net::IpAddr;
use std::num::NonZeroU32;
use std::path::Path;

use super::*;
use base::SrtpPolicy;

const FORMAT: &str = "[[inquiry.receipt]]\nname = \"city\"\nlength = 15\nprefix = \"4401\"\ngroups = [4, 4, 4, 3]\n";

fn settings(trunks: &str, set: &[&str]) -> Result<Settings, Vec<Diagnostic>> {
    let set: Vec<String> = set.iter().map(|text| (*text).to_owned()).collect();
    read(&format!("{FORMAT}{trunks}"), &set, Path::new("/srv"))
}

fn valid(trunks: &str, set: &[&str]) -> Settings {
    settings(trunks, set).expect("valid settings")
}

fn codes(trunks: &str, set: &[&str]) -> Vec<(&'static str, String)> {
    let found = settings(trunks, set).err().unwrap_or_default();
    found.into_iter().map(|error| (error.code.unwrap_or("-"), error.key)).collect()
}

fn code(code: &'static str, key: &str) -> Vec<(&'static str, String)> {
    vec![(code, key.to_owned())]
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn named<'a>(settings: &'a Settings, transport: Transport, source: &str) -> Option<&'a str> {
    let trunks = &settings.phone.trunks;
    Trunk::find(trunks, transport, ip(source), |_| false).map(|place| trunks[place].name.as_str())
}

const TWO: &str = "
    [[trunk]]
    name = \"carrier\"
    addresses = [\"198.51.100.0/28\", \"2001:db8::/64\"]
    numbers = [\"96110110\"]
    [[trunk]]
    name = \"office\"
    addresses = [\"192.0.2.7\"]
    calls_per_second_max = 20
    refer = false
    line_test = true
    studio = true
    [phone]
    listen = [\"udp:192.0.2.1:5060\", \"tcp:192.0.2.1:5060\"]
    numbers = [\"12367\"]
    min_se_s = 120";

#[test]
fn without_tables_the_machine_itself_may_call() {
    let settings = valid("", &[]);
    let names: Vec<&str> = settings.phone.trunks.iter().map(|trunk| trunk.name.as_str()).collect();
    assert_eq!(names, ["local"]);
    assert_eq!(named(&settings, Transport::Udp, "127.0.0.9"), Some("local"));
    assert_eq!(named(&settings, Transport::Tcp, "::1"), Some("local"));
    assert_eq!(named(&settings, Transport::Udp, "192.0.2.7"), None);
}

#[test]
fn a_trunk_has_the_defaults_of_the_phone_table_where_it_says_nothing() {
    let settings = valid(TWO, &[]);
    let [carrier, office] = settings.phone.trunks.as_slice() else { panic!("two trunks") };
    assert_eq!((carrier.name.as_str(), office.name.as_str()), ("carrier", "office"));
    assert_eq!((carrier.numbers.join(","), office.numbers.join(",")), ("96110110".into(), "12367".into()));
    assert_eq!((carrier.calls_per_second_max, office.calls_per_second_max), (5000, 20));
    assert_eq!((carrier.studio, office.studio, carrier.refer, office.refer), (false, true, true, false));
    assert_eq!((carrier.line_test, office.line_test), (false, true));
    assert_eq!(office.min_se.as_secs(), 120);
    let protected = valid(TWO, &["phone.srtp=optional", "trunk.office.srtp=required"]);
    let srtp: Vec<SrtpPolicy> = protected.phone.trunks.iter().map(|trunk| trunk.srtp).collect();
    assert_eq!((srtp, carrier.srtp), (vec![SrtpPolicy::Optional, SrtpPolicy::Required], SrtpPolicy::Off));
    assert!(!valid(TWO, &["phone.refer=false"]).phone.trunks[0].refer);
}

#[test]
fn the_most_specific_network_decides_and_then_the_transport() {
    let trunks = "
        [phone]
        listen = [\"192.0.2.1:5060\", \"[2001:db8::1]:5060\"]
        [[trunk]]
        name = \"wide\"
        addresses = [\"192.0.0.0/16\"]
        [[trunk]]
        name = \"narrow\"
        addresses = [\"192.0.2.0/24\"]
        [[trunk]]
        name = \"tcp\"
        addresses = [\"192.0.2.0/24\"]
        transport = \"tcp\"
        [[trunk]]
        name = \"one\"
        addresses = [\"::ffff:192.0.2.9\", \"2001:db8::/48\"]";
    let settings = valid(trunks, &[]);
    for (transport, source, name) in [
        (Transport::Udp, "192.0.3.1", Some("wide")),
        (Transport::Udp, "192.0.2.1", Some("narrow")),
        (Transport::Tcp, "192.0.2.1", Some("tcp")),
        (Transport::Tcp, "192.0.2.9", Some("one")),
        (Transport::Udp, "::ffff:192.0.2.9", Some("one")),
        (Transport::Udp, "2001:db8:0:1::7", Some("one")),
        (Transport::Udp, "2001:db9::7", None),
        (Transport::Tcp, "193.0.2.9", None),
    ] {
        assert_eq!(named(&settings, transport, source), name, "{source} over {}", transport.name());
    }
}

#[test]
fn a_key_of_a_trunk_is_set_by_its_name() {
    let settings = valid(TWO, &["trunk.office.calls_per_second_max=7", "trunk.desk.addresses=192.0.2.8,192.0.2.9"]);
    let rates: Vec<u32> = settings.phone.trunks.iter().map(|trunk| trunk.calls_per_second_max).collect();
    assert_eq!(rates, [5000, 7, 5000]);
    assert_eq!(named(&settings, Transport::Udp, "192.0.2.9"), Some("desk"));
    let local = valid("", &["trunk.local.addresses=192.0.2.0/24", "phone.listen=192.0.2.1:5060"]);
    assert_eq!((named(&local, Transport::Udp, "127.0.0.1"), local.phone.trunks.len()), (None, 1));
    let whole = valid("", &["trunk=[{name = \"a\", addresses = [\"127.0.0.1\"]}]"]);
    assert_eq!(named(&whole, Transport::Udp, "127.0.0.1"), Some("a"));
    assert_eq!(settings_error("trunk.office=5"), "--set trunk.office=5");
    assert_eq!(settings_error("trunk.office.colour=red"), "trunk.office");
}

#[test]
fn a_key_of_any_named_table_is_set_by_its_name() {
    let queues = "[[queue]]\nname = \"desk\"\nwrap_up_s = 10\n[[queue]]\nname = \"visa\"\n";
    let settings = valid(queues, &["queue.visa.wrap_up_s=7", "inquiry.receipt.city.second_factor=birth_date"]);
    let wrap_up: Vec<u64> = settings.phone.queues.queues.iter().map(|queue| queue.wrap_up.as_secs()).collect();
    assert_eq!((wrap_up, settings.inquiry.formats[0].second_factor), (vec![10, 7], inquiry::SecondFactor::BirthDate));
    let error = |text: &str, set: &str| {
        let found = self::settings(text, &[set]).expect_err(set);
        assert_eq!((found.len(), found[0].place), (1, SettingPlace::CommandLine), "{found:?}");
        found[0].to_string()
    };
    assert!(error(queues, "queue.vsia.wrap_up_s=7").contains("desk, visa"));
    assert!(error("", "queue.desk.wrap_up_s=7").contains("[[queue]]"));
    assert!(error(queues, "queue.desk=7").contains("queue.NAME.KEY=VALUE"));
    let limits = "[[inquiry.limit]]\ndocument = \"visa\"\nn = 7\nunit = \"days\"\n";
    assert!(error(limits, "inquiry.limit.visa.n=7").contains("--set inquiry.limit=[…]"));
}

fn settings_error(set: &str) -> String {
    codes("", &[set]).into_iter().next().map(|(_, key)| key).unwrap_or_default()
}

#[test]
fn old_keys_are_refused_with_the_new_spelling() {
    for (set, new) in [
        ("phone.trunks=198.51.100.0/28", "[[trunk]]\n  name = \"carrier\"\n  addresses = [\"198.51.100.0/28\"]"),
        ("phone.trunks=[\"192.0.2.1\", \"192.0.2.2\"]", "trunk.carrier.addresses=[\"192.0.2.1\", \"192.0.2.2\"]"),
        ("phone.studio_trunks=192.0.2.7", "studio = true"),
    ] {
        let found = settings("", &[set]).expect_err("an old key");
        assert_eq!((found.len(), found[0].code), (1, Some("trunk.old_key")), "{found:?}");
        assert!(found[0].what.en.contains(new), "{}", found[0]);
    }
}

#[test]
fn names_that_cannot_be_used_are_told_by_their_place() {
    let trunk = |name: &str| format!("[[trunk]]\n{name}\naddresses = [\"127.0.0.1\"]\n");
    for name in ["", "name = \"\"", "name = \"Office\"", "name = \"a.b\"", "name = \"über\"", "name = 7"] {
        assert_eq!(codes(&trunk(name), &[]), code("trunk.name", "trunk.#1.name"), "{name}");
    }
    let long = "x".repeat(33);
    assert_eq!(codes(&trunk(&format!("name = \"{long}\"")), &[]), code("trunk.name", "trunk.#1.name"));
    let twice =
        "[[trunk]]\nname = \"a\"\naddresses = [\"127.0.0.1\"]\n[[trunk]]\nname = \"a\"\naddresses = [\"127.0.0.2\"]";
    assert_eq!(codes(twice, &[]), code("trunk.duplicate_name", "trunk.#2.name"));
    assert_eq!(codes("[trunk.office]\naddresses = [\"127.0.0.1\"]", &[])[0], ("trunk.tables", "trunk".into()));
    assert_eq!(codes("", &["trunk=[\"127.0.0.1\"]"])[0].0, "trunk.tables");
    assert_eq!(codes("", &["trunk=[]"]), code("trunk.none", "trunk"));
}

#[test]
fn every_conflict_has_its_code() {
    let addresses = |keys: &str| if keys.contains("addresses") { "" } else { "addresses = [\"127.0.0.1\"]" };
    let one = |keys: &str| format!("[[trunk]]\nname = \"a\"\n{}\n{keys}\n", addresses(keys));
    for (keys, error, key) in [
        ("transport = \"sctp\"", "trunk.transport", "trunk.a.transport"),
        ("session_expires_s = 90\nmin_se_s = 120", "trunk.session", "trunk.a.session_expires_s"),
        ("media_address = \"2001:db8::1\"", "trunk.media_address", "trunk.a.media_address"),
        ("media_address = \"0.0.0.0\"", "-", "trunk.a.media_address"),
        ("numbers = [\"9196\"]", "trunk.number", "trunk.a.numbers"),
        ("calls_per_second_max = 0", "-", "trunk.a.calls_per_second_max"),
        ("calls_max = 0", "-", "trunk.a.calls_max"),
        ("calls_per_caller_max = -1", "-", "trunk.a.calls_per_caller_max"),
        ("addresses = [\"127.0.0.0/8\"]\nping_s = 10", "trunk.ping", "trunk.a.ping_s"),
        ("refer = 1", "-", "trunk.a.refer"),
        ("srtp = \"on\"", "trunk.srtp", "trunk.a.srtp"),
        ("srtp = true", "-", "trunk.a.srtp"),
        ("adresses = [\"127.0.0.1\"]", "-", "trunk.a.adresses"),
    ] {
        assert_eq!(codes(&one(keys), &["phone.line_test=9196"]), code(error, key), "{keys}");
    }
    assert_eq!(codes("[[trunk]]\nname = \"a\"", &[]), code("trunk.addresses", "trunk.a.addresses"));
    let overlap = one("") + "[[trunk]]\nname = \"b\"\naddresses = [\"::1\", \"127.0.0.1/32\"]\n";
    assert_eq!(codes(&overlap, &[]), code("trunk.overlap", "trunk.b.addresses"));
    assert_eq!(codes(&overlap, &["trunk.b.transport=tcp"]), []);
    assert_eq!(codes(&one("transport = \"tcp\""), &["phone.listen=udp:127.0.0.1:0"])[0].0, "trunk.no_listener");
    assert_eq!(codes(&one(""), &["phone.listen=[::1]:5060"])[0].0, "trunk.no_listener");
}

#[test]
fn what_is_legal_but_unwise_is_a_warning() {
    let warned = |set: &[&str]| {
        let warnings = valid("", set).warnings();
        warnings.iter().filter_map(|text| Some(text.en.rsplit_once('[')?.1.to_owned())).collect::<Vec<String>>()
    };
    assert_eq!(warned(&[]), Vec::<String>::new());
    let few = "phone.calls_per_caller_max=5";
    assert_eq!(warned(&["trunk.local.addresses=0.0.0.0/0", few]), ["trunk.open]"]);
    let v6 = ["trunk.local.addresses=::/0", "phone.listen=[::]:5060", "phone.public_address=2001:db8::1", few];
    assert_eq!(warned(&v6), ["trunk.open]"]);
    assert_eq!(warned(&["trunk.local.addresses=192.0.2.0/24", few]), ["trunk.loopback]"]);
    assert_eq!(warned(&["phone.srtp=optional"]), ["trunk.srtp_keys]"]);
    let elsewhere =
        ["trunk.local.addresses=192.0.2.0/24", "phone.listen=0.0.0.0:5060", "phone.public_address=192.0.2.1"];
    assert_eq!(warned(&elsewhere), Vec::<String>::new(), "numbers are limited by default");
    assert_eq!(warned(&[&elsewhere[..], &["phone.calls_per_caller_max=0"]].concat()), ["trunk.caller_unlimited]"]);
    assert_eq!(warned(&["trunk.local.calls_max=3000"]), ["trunk.calls_max]"]);
    assert_eq!(warned(&["trunk.local.calls_max=3", "trunk.local.calls_per_caller_max=3"]), ["trunk.caller_share]"]);
}

#[test]
fn withheld_callers_have_half_of_the_lines_where_numbers_are_limited() {
    let limits = |set: &[&str]| {
        let settings = valid("", set);
        let trunk = &settings.phone.trunks[0];
        (trunk.calls_per_caller_max.map_or(0, NonZeroU32::get), trunk.calls_withheld_max)
    };
    let elsewhere = ["trunk.local.addresses=192.0.2.0/24", "phone.listen=0.0.0.0:5060"];
    assert_eq!(limits(&[]), (0, None), "only this machine calls");
    assert_eq!(limits(&elsewhere), (20, Some(1000)));
    assert_eq!(limits(&["phone.calls_per_caller_max=0"]), (0, None));
    let few = [&elsewhere[..], &["trunk.local.calls_max=12"]].concat();
    assert_eq!(limits(&few), (6, Some(6)), "half of a few lines");
    assert_eq!(limits(&["phone.calls_per_caller_max=3"]), (3, Some(1000)));
    assert_eq!(limits(&["trunk.local.calls_per_caller_max=1", "trunk.local.calls_max=1"]), (1, Some(1)));
    let all = ["phone.calls_per_caller_max=3", "trunk.local.calls_per_caller_max=0"];
    assert_eq!(limits(&all), (0, None));
    assert_eq!(limits(&["trunk.local.calls_withheld_max=7"]), (0, Some(7)));
}

#[test]
fn only_single_addresses_are_peers_that_can_be_asked() {
    let set = ["trunk.local.addresses=127.0.0.0/8,127.0.0.9,::1", "trunk.local.ping_s=10", "trunk.local.port=5080"];
    let settings = valid("", &set);
    let peers: Vec<String> = settings.phone.trunks[0].peers().map(|peer| peer.to_string()).collect();
    assert_eq!(peers, ["127.0.0.9:5080", "[::1]:5080"]);
}

#[test]
fn codecs_and_packet_time_have_the_defaults_of_the_phone_table() {
    use base::{Codec, Codecs};
    let set = ["phone.codecs=pcmu", "phone.ptime_ms=30", "trunk.carrier.codecs=PCMU,pcma", "trunk.office.ptime_ms=40"];
    let settings = valid(TWO, &set);
    let [carrier, office] = settings.phone.trunks.as_slice() else { panic!("two trunks") };
    assert_eq!(carrier.codecs.iter().collect::<Vec<_>>(), [Codec::Ulaw, Codec::Alaw]);
    assert_eq!(office.codecs.iter().collect::<Vec<_>>(), [Codec::Ulaw]);
    assert_eq!((carrier.ptime.as_millis(), office.ptime.as_millis()), (30, 40));
    let usual = &valid(TWO, &[]).phone.trunks[0];
    assert_eq!((usual.codecs, usual.ptime.as_millis()), (Codecs::ALL, 20));
    for (wrong, error) in [
        ("codecs=PCMA,pcma", "trunk.codecs"),
        ("codecs=PCMA,G729", "trunk.codecs"),
        ("ptime_ms=50", "trunk.ptime"),
        ("ptime_ms=\"20\"", "trunk.ptime"),
        ("ptime_ms=0", "trunk.ptime"),
    ] {
        for table in ["phone", "trunk.office"] {
            let key = wrong.split('=').next().expect("a key");
            assert_eq!(codes(TWO, &[&format!("{table}.{wrong}")]), code(error, &format!("{table}.{key}")), "{wrong}");
        }
    }
    let found = settings_of_error(TWO, "phone.codecs=G729");
    assert!(found.contains("PCMA, PCMU"), "{found}");
}

fn settings_of_error(trunks: &str, set: &str) -> String {
    settings(trunks, &[set]).expect_err("an error")[0].what.to_string()
}

#[test]
fn a_trunk_has_an_authority_of_its_own_where_it_uses_tls() {
    let own = ["trunk.carrier.ca_file=carrier.pem", "trunk.carrier.tls_name=sbc.carrier.example"];
    let none = [("trunk.tls", "trunk.carrier.ca_file".to_owned()), ("trunk.tls", "trunk.carrier.tls_name".to_owned())];
    assert_eq!(codes(TWO, &own), none, "nothing goes over TLS");
    let tls =
        ["phone.listen=192.0.2.1:5060,tls:192.0.2.1:5061", "phone.tls.certificate=node.pem", "phone.tls.key=node.key"];
    let settings = valid(TWO, &[&own[..], &tls[..]].concat());
    let carrier = &settings.phone.trunks[0];
    assert_eq!(carrier.ca_file.as_deref(), Some(Path::new("/srv/carrier.pem")));
    assert_eq!(carrier.tls_name.as_deref(), Some("sbc.carrier.example"));
    let udp = ["trunk.carrier.transport=udp", "trunk.carrier.ca_file=carrier.pem"];
    assert_eq!(codes(TWO, &udp), code("trunk.tls", "trunk.carrier.ca_file"));
    for wrong in ["a b", "sip:carrier", "*.carrier.example", "999.1.1.1"] {
        let set = format!("trunk.carrier.tls_name=\"{wrong}\"");
        assert_eq!(codes(TWO, &[&set]), code("trunk.tls", "trunk.carrier.tls_name"), "{wrong}");
    }
}

#[test]
fn a_network_is_written_by_its_first_address() {
    let warned = |key: &str, network: &str| {
        let set = [format!("{key}={network}"), "phone.listen=192.0.2.1:5060,[::1]:5060".into()];
        let settings = settings("", &set.each_ref().map(String::as_str)).expect("right");
        let warnings = settings.warnings().into_iter().filter(|warning| warning.en.contains("[network.host_bits]"));
        warnings.map(|warning| warning.en.to_string()).collect::<Vec<_>>()
    };
    for network in ["192.0.2.9/24", "192.0.2.1/31", "2001:db8::1/64", "::ffff:192.0.2.9/120", "1.2.3.4/0"] {
        assert_eq!(warned("trunk.local.addresses", network).len(), 1, "{network}");
    }
    for network in ["192.0.2.0/24", "192.0.2.9", "192.0.2.9/32", "2001:db8::/64", "2001:db8::9", "0.0.0.0/0", "::/0"] {
        assert_eq!(warned("trunk.local.addresses", network), [""; 0], "{network}");
    }
    let [found] = &warned("web.operations_allow", "10.1.2.3/8")[..] else { panic!("one warning") };
    assert!(found.contains("10.0.0.0/8") && found.contains("10.1.2.3 "), "{found}");
}

#[test]
fn a_called_number_is_no_uri() {
    for number in ["sip:96110110@x", "tel:96110110", "<sip:96110110@x>", "96110110@x", "front desk"] {
        for key in ["phone.numbers", "trunk.local.numbers", "phone.line_test", "phone.studio"] {
            let found = codes("", &[&format!("{key}=\"{number}\"")]);
            assert_eq!(found, code("phone.number", key), "{key} = {number}");
        }
    }
    for number in ["96110110", "9611 0110", "+86-9611-0110", "*9196", "hotline", "96110110;phone-context=+8620", "热线"]
    {
        assert_eq!(codes("", &[&format!("trunk.local.numbers=\"{number}\"")]), [], "{number}");
    }
    let found = settings_of_error("", "phone.numbers=\"sip:+8696110110@gd.example\"");
    assert!(found.ends_with("write +8696110110"), "{found}");
}

#[test]
fn an_address_is_listened_on_once() {
    for (listen, key) in [
        ("phone.listen=udp:127.0.0.1:5060,udp:127.0.0.1:5060", "phone.listen"),
        ("phone.listen=udp:127.0.0.1:5060,127.0.0.1:5060", "phone.listen"),
        ("phone.listen=tcp:[::1]:5060,tcp:[0::1]:5060,127.0.0.1:5060", "phone.listen"),
        ("web.listen=127.0.0.1:8080,127.0.0.1:8080", "web.listen"),
    ] {
        let found: Vec<String> = codes("", &[listen]).into_iter().map(|(_, key)| key).collect();
        assert_eq!(found, [key], "{listen}");
    }
    let tls = ["phone.listen=127.0.0.1:5060,tls:127.0.0.1:5060", "phone.tls.certificate=a", "phone.tls.key=b"];
    assert_eq!(codes("", &tls), code("phone.listen", "phone.listen"));
    let sound = ["udp:127.0.0.1:5060,tcp:127.0.0.1:5060", "127.0.0.1:5060,127.0.0.2:5060", "127.0.0.1:0,127.0.0.1:0"];
    for listen in sound {
        assert_eq!(codes("", &[&format!("phone.listen={listen}")]), [], "{listen}");
    }
}

#[test]
fn a_host_lets_in_what_dns_gives_it_and_written_addresses_come_first() {
    let trunks = "
        [phone]
        listen = [\"192.0.2.1:5060\"]
        [[trunk]]
        name = \"written\"
        addresses = [\"192.0.2.9\", \"198.51.100.0/24\"]
        [[trunk]]
        name = \"named\"
        addresses = [\"SBC.carrier.example.\"]";
    let settings = valid(trunks, &[]);
    let trunks = &settings.phone.trunks;
    assert_eq!(trunks[1].hosts, ["sbc.carrier.example"]);
    let find = |source: &str, named: bool| {
        let place = Trunk::find(trunks, Transport::Udp, ip(source), |place| named && place == 1);
        place.map(|place| trunks[place].name.as_str())
    };
    assert_eq!(find("203.0.113.5", false), None);
    assert_eq!(find("203.0.113.5", true), Some("named"));
    assert_eq!(find("192.0.2.9", true), Some("written"), "the settings name the very address");
    assert_eq!(find("198.51.100.7", true), Some("named"), "a host is closer than a network");
    let text = |set: &str| codes("", &[set, "phone.listen=192.0.2.1:5060"]);
    assert_eq!(text("trunk.local.addresses=sbc.carrier.example"), []);
    for wrong in ["999.1.1.1", "192.0.2.0/33", "-a.example", "a..example", "a b"] {
        assert_eq!(text(&format!("trunk.local.addresses=\"{wrong}\"")), code("-", "trunk.local.addresses"), "{wrong}");
    }
    let twice = format!("{TWO}\n[[trunk]]\nname = \"c\"\naddresses = [\"sbc\"]");
    assert_eq!(codes(&twice, &["trunk.office.addresses=sbc"]), code("trunk.overlap", "trunk.c.addresses"));
}

#[test]
fn name_servers_are_addresses() {
    let servers = valid("", &["phone.dns=192.0.2.53,127.0.0.1:5353,[::1]:53"]).phone.dns;
    assert_eq!(servers.iter().map(|server| server.port()).collect::<Vec<_>>(), [53, 5353, 53]);
    assert_eq!(codes("", &["phone.dns=dns.example"]), code("-", "phone.dns"));
    assert_eq!(codes("", &["phone.dns=0.0.0.0"]), code("-", "phone.dns"));
}

#[test]
fn an_unknown_trunk_on_the_command_line_is_told_the_known_names() {
    let found = settings(TWO, &["trunk.ofice.studio=false"]).expect_err("no such trunk");
    assert_eq!((found.len(), found[0].code, found[0].key.as_str()), (1, Some("trunk.unknown"), "trunk.ofice"));
    assert!(found[0].what.en.contains("carrier, office"), "{}", found[0]);
    let both = ["trunk.desk.studio=false", "trunk.desk.addresses=192.0.2.8"];
    assert_eq!(valid(TWO, &both).phone.trunks.len(), 3, "with addresses it is a further trunk");
}
