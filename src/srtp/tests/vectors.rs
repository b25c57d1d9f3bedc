//! The vectors of RFC 3711 and RFC 7714, and packets that libsrtp 2 made.

use zeroize::Zeroizing;

use super::*;
use crate::derivation::{Label, apply_key_stream, counter_mode, derive};
use crate::session::{Position, Session};

fn octets(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.chars().filter_map(|digit| digit.to_digit(16)).map(|digit| digit as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// RFC 3711 appendix B.2.
#[test]
fn the_key_stream_is_that_of_the_rfc() {
    let cipher = counter_mode(&octets("2B7E151628AED2A6ABF7158809CF4F3C"));
    let counter = octets("F0F1F2F3F4F5F6F7F8F9FAFBFCFD0000").try_into().expect("a block");
    let mut stream = vec![0; 0xFF02 * 16];
    apply_key_stream(&cipher, &counter, &mut stream);
    for (block, expected) in [
        (0, "E03EAD0935C95E80E166B16DD92B4EB4"),
        (1, "D23513162B02D0F72A43A2FE4A5F97AB"),
        (2, "41E95B3BB0A2E8DD477901E4FCA894C0"),
        (0xFEFF, "EC8CDF7398607CB0F2D21675EA9EA1E4"),
        (0xFF00, "362B7C3C6773516318A077D7FC5073AE"),
        (0xFF01, "6A2CC3787889374FBEB4C81B17BA6C44"),
    ] {
        assert_eq!(stream[block * 16..][..16], octets(expected), "block {block:X}");
    }
}

/// RFC 3711 appendix B.3.
#[test]
fn session_keys_are_those_of_the_rfc() {
    let master = octets("E1F97A0D3E018BE0D64FA32C06DE4139 0EC675AD498AFEEBB6960B3AABE6");
    let master = MasterKey::new(Suite::AesCm128HmacSha1Tag80, &master).expect("30 octets");
    let derived = |label, length| {
        let mut out = vec![0; length];
        derive(&master, label, &mut out);
        out
    };
    assert_eq!(derived(Label::RtpCipher, 16), octets("C61E7A93744F39EE10734AFE3FF7A087"));
    assert_eq!(derived(Label::RtpSalt, 14), octets("30CBBC08863D8C85D49DB34A9AE1"));
    let tag = "CEBE321F6FF7716B6FD4AB49AF256A156D38BAA48F0A0ACF3C34E2359E6CDBCEE049646C43D9327AD175578EF7227098\
               6371C10C9A369AC2F94A8C5FBCDDDC256D6E919A48B610EF17C2041E4740357660";
    assert_eq!(derived(Label::RtpTag, 94)[..80], octets(tag)[..80]);
}

/// RFC 7714 §16.1.1, §16.2.1.
#[test]
fn rtp_under_gcm_is_that_of_the_rfc() {
    let plain = octets(RFC7714_RTP);
    for (octets_of_key, sealed) in [
        (
            16,
            "f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833\
             899d7f27beb16a9152cf765ee4390cce",
        ),
        (
            32,
            "32b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799b87b\
             7aa3db36dfffd6b0f9bb7878d7a76c13",
        ),
    ] {
        let session = rfc7714_session(octets_of_key);
        let position = Position { ssrc: 0x5501_A0B2, index: 0xF17B };
        let mut packet = plain.clone();
        packet.resize(plain.len() + 16, 0);
        session.seal_rtp(position, 12, &mut packet);
        assert_eq!(packet[12..], octets(sealed));
        let mut opened = Vec::new();
        assert!(session.open_rtp(position, 12, &packet, &[], &mut opened));
        assert_eq!(opened, plain);
    }
}

/// RFC 7714 §17.1, §17.2.
#[test]
fn rtcp_under_gcm_is_that_of_the_rfc() {
    let plain = octets(RFC7714_RTCP);
    for (octets_of_key, sealed) in [
        (
            16,
            "63e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda4ce09b4686303ded0bb9275b\
             c84aa45896cf4d2fc5abf87245d9eade800005d4",
        ),
        (
            32,
            "d50ae4d1f5ce5d304ba297e47d470c282c3ece5dbffe0a50a2eaa5c1110555be8415f658c61de0476f1b6fad\
             1d1eb30c4446839f57ff6f6cb26ac3be800005d4",
        ),
    ] {
        let session = rfc7714_session(octets_of_key);
        let mut packet = plain.clone();
        packet.resize(plain.len() + 20, 0);
        session.seal_rtcp(Position { ssrc: 0x4D61_7273, index: 0x5D4 }, &mut packet);
        assert_eq!(packet[8..], octets(sealed));
        let mut opened = Vec::new();
        let parts = session.split_rtcp(&packet, &[]).expect("long enough");
        assert!(parts.is_encrypted() && session.open_rtcp(0x4D61_7273, &parts, &mut opened));
        assert_eq!(opened, plain);
    }
}

fn rfc7714_session(octets_of_key: u8) -> Session {
    let key: Vec<u8> = (0..octets_of_key).collect();
    let mut salt = Zeroizing::new([0; 14]);
    salt[..12].copy_from_slice(b"Quid pro quo");
    Session::of_session_keys(true, &key, salt, &[], 16)
}

/// Master keys are 3, 10, 17 …; the packets are a plain one, one with a contributing source and an extension before the
/// sequence numbers wrap, one after it, and the second RTCP packet.
#[test]
fn packets_are_those_of_libsrtp() {
    for (suite, sealed) in LIBSRTP {
        let octets_of_key: Vec<u8> = (0..suite.master_octets()).map(|at| (7 * at + 3) as u8).collect();
        let key = MasterKey::new(suite, &octets_of_key).expect("its length");
        let (mut sender, mut receiver) = (Sender::new(key.clone()), Receiver::new(key.into()));
        let now = start();
        for (plain, expected) in PLAIN.into_iter().zip(sealed) {
            let (plain, expected) = (octets(plain), octets(expected));
            let is_rtcp = plain[1] == 200;
            let mut buffer = [0; 100];
            buffer[..plain.len()].copy_from_slice(&plain);
            let length = if is_rtcp {
                let mut first = buffer;
                sender.protect_rtcp(&mut first, plain.len()).expect("it is sound");
                sender.protect_rtcp(&mut buffer, plain.len())
            } else {
                sender.protect_rtp(&mut buffer, plain.len())
            };
            assert_eq!(buffer[..length.expect("it is sound")], expected, "{suite:?}");
            let mut opened = Vec::new();
            let result = if is_rtcp {
                receiver.unprotect_rtcp(now, &expected, &mut opened)
            } else {
                receiver.unprotect_rtp(now, &expected, &mut opened)
            };
            assert_eq!((result, opened), (Ok(()), plain), "{suite:?}");
        }
    }
}

const RFC7714_RTP: &str =
    "8040f17b8041f8d35501a0b247616c6c696120657374206f6d6e69732064697669736120696e207061727465732074726573";
const RFC7714_RTCP: &str =
    "81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61deadbeefdeadbeefdeadbeefdeadbeefdeadbeef";

const PLAIN: [&str; 4] = [
    "80089000005a0000decafbad6a696e647520736179732068656c6c6f",
    "9108ffff009fff60decafbad01020304bede000110ff00006a696e647520736179732068656c6c6f",
    "80080001000000a0decafbad6a696e647520736179732068656c6c6f",
    "80c80006decafbad000102030405060708090a0b0c0d0e0f10111213",
];

const LIBSRTP: [(Suite, [&str; 4]); 4] = [
    (
        Suite::AeadAes256Gcm,
        [
            "80089000005a0000decafbadbf3f2045e5d156cbd79d951b529983d6b154682b1eb4022f78d4b2715935906f",
            "9108ffff009fff60decafbad01020304bede000110ff00004089c3c83b8ae6249b781f73a96662b627bcb82e01dc484b8a8bdf3f15e60fd6",
            "80080001000000a0decafbadd1cdfffaa4ccd4e573a18a0d78e9126b62164f8889cb7fbf00821c887b8e8815",
            "80c80006decafbad75e73999f4f34d660fd20e646dbe40c1a89d3a54953ed8b5f8ac55e444216989e38e378b80000002",
        ],
    ),
    (
        Suite::AeadAes128Gcm,
        [
            "80089000005a0000decafbad473fa7fe18530fa30ceb4e762759cafe17e1a60c9bb03fbc58cebbc70b4a36fa",
            "9108ffff009fff60decafbad01020304bede000110ff00007d820e37e906148c08baa31422864c2662f7c79709dcdc646358f6742aef7c3a",
            "80080001000000a0decafbad6d129110b078e2357252688c4a087c39410346f2cc8c1c0573b96aa510701ae6",
            "80c80006decafbad555b87591c53522de505882883edcda60aeb27bc9bea8778ce9ea01de325d1034be5622780000002",
        ],
    ),
    (
        Suite::AesCm128HmacSha1Tag80,
        [
            "80089000005a0000decafbade24c6b0c24f502f5d4b6933b1a79f906817c86ae87dbe01dfdc3",
            "9108ffff009fff60decafbad01020304bede000110ff00003540f93c4be326554262f45b252a519f77bb51894a4156b82ee8",
            "80080001000000a0decafbad94ecafc9f9509607171bba0a97e80184c115fb206412ae4af73a",
            "80c80006decafbad13d8355f18c3c1ca2462ab782458d9b8115b5f6180000002c92045e9b86ec5ed68aa",
        ],
    ),
    (
        Suite::AesCm128HmacSha1Tag32,
        [
            "80089000005a0000decafbade24c6b0c24f502f5d4b6933b1a79f906817c86ae",
            "9108ffff009fff60decafbad01020304bede000110ff00003540f93c4be326554262f45b252a519f77bb5189",
            "80080001000000a0decafbad94ecafc9f9509607171bba0a97e80184c115fb20",
            "80c80006decafbad13d8355f18c3c1ca2462ab782458d9b8115b5f6180000002c92045e9b86ec5ed68aa",
        ],
    ),
];
