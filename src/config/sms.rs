//! `[sms]`: which numbers get text messages, how many, and who carries them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use base::{Bilingual, bilingual};
use sms::smpp::Concatenation;
use sms::{Carrier, Encoding, Field, HttpCarrier, Limits, OkStatus, Retry, Settings, SmppCarrier, Success, Template};

use super::table_reader::Reader;
use super::values::{count, patterns};

/// Reads the table. Where `carrier` is `off` no message is sent.
pub(super) fn sms(reader: &mut Reader, base: &Path) -> Settings {
    let usual = Settings::default();
    let limits = Limits {
        allow: patterns(reader, "sms.allow"),
        deny: patterns(reader, "sms.deny"),
        per_number_per_day: count(
            reader,
            "sms.per_number_per_day",
            1..=100,
            i64::from(usual.limits.per_number_per_day),
        ),
        per_day: count(reader, "sms.per_day", 0..=100_000, i64::from(usual.limits.per_day)),
        per_call: count(reader, "sms.per_call", 1..=20, i64::from(usual.limits.per_call)),
        waiting_max: count(reader, "sms.waiting_max", 1..=100_000, 1_000),
    };
    let retry = Retry {
        first: reader.milliseconds("sms.retry_first_ms", 10..=600_000, 5_000),
        longest: reader.seconds("sms.retry_most_s", 1..=3_600, 300),
    };
    if retry.longest < retry.first {
        let what = Bilingual::fixed("must be at least sms.retry_first_ms", "不得小于 sms.retry_first_ms");
        reader.report("sms.retry_most_s", what);
    }
    let kind = reader.string("sms.carrier", "off");
    // Both tables are read, so that a wrong key in either is found.
    let (is_http, is_smpp) = (kind == "http", kind == "smpp");
    let http = http(reader, base, is_http);
    let smpp = smpp(reader, base, is_smpp);
    let carrier = match kind.as_str() {
        "off" => None,
        "http" => Some(Carrier::Http(Box::new(http))),
        "smpp" => Some(Carrier::Smpp(Box::new(smpp))),
        _ => {
            reader.report("sms.carrier", Bilingual::fixed("must be off, http or smpp", "应为 off、http 或 smpp"));
            None
        }
    };
    if carrier.is_some() && limits.allow.is_empty() {
        let what = Bilingual::fixed(
            "must name the mobile numbers that may get a message, as in [\"1[3-9]XXXXXXXXX\"]: X is any digit",
            "应写明可以接收短信的手机号码，如 [\"1[3-9]XXXXXXXXX\"]，X 表示任一数字",
        );
        reader.report("sms.allow", what);
    }
    Settings {
        limits,
        retry,
        attempts_max: count(reader, "sms.attempts_max", 1..=100, i64::from(usual.attempts_max)),
        keep: Duration::from_secs(reader.number("sms.keep_min", 1..=1_440, 60).unsigned_abs() * 60),
        alarm_after: Duration::from_secs(reader.number("sms.alarm_after_min", 1..=1_440, 10).unsigned_abs() * 60),
        carrier,
    }
}

fn http(reader: &mut Reader, base: &Path, used: bool) -> HttpCarrier {
    let url_text = reader.string("sms.http.url", "");
    if used && !["http://", "https://"].iter().any(|scheme| url_text.starts_with(scheme)) {
        let what = Bilingual::fixed(
            "must be the carrier's address, as in https://sms.example/send",
            "应为短信服务的地址，如 https://sms.example/send",
        );
        reader.report("sms.http.url", what);
    }
    let method = reader.string("sms.http.method", "POST");
    if !["GET", "POST", "PUT"].contains(&method.as_str()) {
        reader.report("sms.http.method", Bilingual::fixed("must be GET, POST or PUT", "应为 GET、POST 或 PUT"));
    }
    let sign_text = reader.string("sms.http.sign", "");
    let sign = (!sign_text.is_empty()).then(|| template(reader, "sms.http.sign", &sign_text, &[Field::Signature]));
    let encoding = encoding(reader);
    let secret_file = file(reader, base, "sms.http.secret_file");
    let headers = headers(reader);
    let body_text = reader.string("sms.http.body", BODY);
    let body = template(reader, "sms.http.body", &body_text, &[Field::Body]);
    let url = template(reader, "sms.http.url", &url_text, &[Field::Body]);
    let places = || [&url, &body].into_iter().chain(headers.iter().map(|(_, value)| value)).chain(&sign);
    if used && secret_file.is_none() && (sign.is_some() || places().any(|template| template.has(Field::Secret))) {
        let what = Bilingual::fixed(
            "must name the file of the secret, since a signature or {secret} is asked for",
            "已使用签名或 {secret}，应写明密钥文件",
        );
        reader.report("sms.http.secret_file", what);
    }
    if used && sign.is_none() && places().any(|template| template.has(Field::Signature)) {
        let what = Bilingual::fixed(
            "must say what is signed, since {signature} is asked for",
            "已使用 {signature}，应写明签名的内容",
        );
        reader.report("sms.http.sign", what);
    }
    if used && !places().any(|template| template.has(Field::Text)) {
        reader.report(
            "sms.http.body",
            Bilingual::fixed("must have {text} in it, or the URL must", "正文或 URL 中应有 {text}"),
        );
    }
    let success = success(reader);
    HttpCarrier {
        url,
        method,
        headers,
        body,
        sign,
        encoding,
        secret_file,
        success,
        timeout: reader.seconds("sms.http.timeout_s", 1..=120, 10),
        at_once_max: count(reader, "sms.http.at_once_max", 1..=100, 4),
        ca_file: file(reader, base, "sms.http.ca_file"),
    }
}

fn encoding(reader: &mut Reader) -> Encoding {
    match reader.string("sms.http.sign_encoding", "hex").as_str() {
        "hex" => Encoding::Hex,
        "base64" => Encoding::Base64,
        _ => {
            reader.report("sms.http.sign_encoding", Bilingual::fixed("must be hex or base64", "应为 hex 或 base64"));
            Encoding::Hex
        }
    }
}

fn headers(reader: &mut Reader) -> Vec<(String, Template)> {
    let key = "sms.http.headers";
    let mut headers = Vec::new();
    for line in reader.strings(key, &["Content-Type: application/json"]) {
        let parts = line.split_once(':').map(|(name, value)| (name.trim(), value.trim()));
        let is_token =
            |name: &str| !name.is_empty() && name.bytes().all(|c| c.is_ascii_alphanumeric() || b"-_".contains(&c));
        match parts.filter(|(name, value)| is_token(name) && value.bytes().all(|c| (0x20..0x7f).contains(&c))) {
            Some((name, value)) => {
                let value = template(reader, key, value, &[Field::Text, Field::Body]);
                headers.push((name.to_owned(), value));
            }
            None => reader.report(
                key,
                bilingual!(
                    "{line:?} is not a header, as in \"Content-Type: application/json\"",
                    "{line:?} 不是请求头，写法如 \"Content-Type: application/json\""
                ),
            ),
        }
    }
    headers
}

fn success(reader: &mut Reader) -> Success {
    let mut statuses: Vec<OkStatus> = Vec::new();
    for text in reader.strings("sms.http.ok_status", &["200-299"]) {
        let range = match text.split_once('-') {
            Some((first, last)) => first.trim().parse().ok().zip(last.trim().parse().ok()),
            None => text.parse().ok().map(|status: u16| (status, status)),
        };
        match range.filter(|(first, last)| 200 <= *first && first <= last && *last <= 299) {
            Some((first, last)) => statuses.push(first..=last),
            None => reader.report(
                "sms.http.ok_status",
                bilingual!(
                    "{text}: must be statuses from 200 to 299, as in 200 or 200-299",
                    "{text}：应为 200 至 299 的状态码，如 200 或 200-299"
                ),
            ),
        }
    }
    let field = reader.optional_string("sms.http.ok_field").filter(|field| !field.is_empty());
    let values = reader.strings("sms.http.ok_values", &[]);
    if field.is_some() && values.is_empty() {
        let what = Bilingual::fixed(
            "must name the values of sms.http.ok_field that mean success, as in [\"0\"]",
            "应写明 sms.http.ok_field 的哪些值表示成功，如 [\"0\"]",
        );
        reader.report("sms.http.ok_values", what);
    }
    Success { statuses, field, values, later_values: reader.strings("sms.http.later_values", &[]) }
}

fn smpp(reader: &mut Reader, base: &Path, used: bool) -> SmppCarrier {
    let host = reader.string("sms.smpp.host", "");
    let system_id = reader.string("sms.smpp.system_id", "");
    let source = reader.string("sms.smpp.source", "");
    let password_file = file(reader, base, "sms.smpp.password_file");
    if used {
        let needed = |text: &str, longest: usize| !text.is_empty() && text.len() <= longest && text.is_ascii();
        for (key, fits, longest) in [
            ("sms.smpp.host", needed(&host, 253), 253),
            ("sms.smpp.system_id", needed(&system_id, 15), 15),
            ("sms.smpp.source", needed(&source, 20), 20),
        ] {
            if !fits {
                reader.report(
                    key,
                    bilingual!("must be 1 to {longest} characters of ASCII", "应为 1 至 {longest} 个 ASCII 字符"),
                );
            }
        }
        if password_file.is_none() {
            let what = Bilingual::fixed("must name the file of the password", "应写明密码文件");
            reader.report("sms.smpp.password_file", what);
        }
    }
    let system_type = reader.string("sms.smpp.system_type", "");
    if system_type.len() > 12 || !system_type.is_ascii() {
        reader.report(
            "sms.smpp.system_type",
            Bilingual::fixed("must be at most 12 characters of ASCII", "不得超过 12 个 ASCII 字符"),
        );
    }
    let destination_text = reader.string("sms.smpp.destination", "{number}");
    let others = [Field::Text, Field::Id, Field::Time, Field::Secret, Field::Signature, Field::Body];
    let destination = template(reader, "sms.smpp.destination", &destination_text, &others);
    if !destination.has(Field::Number) {
        reader.report("sms.smpp.destination", Bilingual::fixed("must have {number} in it", "应含有 {number}"));
    }
    let concatenation = match reader.string("sms.smpp.concatenation", "udh").as_str() {
        "udh" => Concatenation::Udh,
        "sar" => Concatenation::Sar,
        _ => {
            reader.report("sms.smpp.concatenation", Bilingual::fixed("must be udh or sar", "应为 udh 或 sar"));
            Concatenation::Udh
        }
    };
    SmppCarrier {
        host,
        port: count(reader, "sms.smpp.port", 1..=65_535, 2775),
        tls: reader.boolean("sms.smpp.tls", false),
        ca_file: file(reader, base, "sms.smpp.ca_file"),
        system_id,
        password_file: password_file.unwrap_or_default(),
        system_type,
        source,
        source_type: (count(reader, "sms.smpp.source_ton", 0..=6, 0), count(reader, "sms.smpp.source_npi", 0..=18, 1)),
        destination,
        destination_type: (count(reader, "sms.smpp.dest_ton", 0..=6, 0), count(reader, "sms.smpp.dest_npi", 0..=18, 1)),
        window: count(reader, "sms.smpp.window", 1..=100, 10),
        enquire_every: reader.seconds("sms.smpp.enquire_every_s", 1..=600, 30),
        response_timeout: reader.seconds("sms.smpp.response_timeout_s", 1..=120, 10),
        concatenation,
        gsm_7bit: reader.boolean("sms.smpp.gsm_7bit", false),
        receipts: reader.boolean("sms.smpp.receipts", true),
    }
}

/// A template in which these places mean nothing.
fn template(reader: &mut Reader, key: &str, text: &str, without: &[Field]) -> Template {
    match text.parse::<Template>().and_then(|template| template.without(without)) {
        Ok(template) => template,
        Err(error) => {
            reader.report(key, error.text());
            "".parse().expect("no places")
        }
    }
}

fn file(reader: &mut Reader, base: &Path, key: &str) -> Option<PathBuf> {
    reader.optional_string(key).filter(|path| !path.is_empty()).map(|path| base.join(path))
}

/// What is sent where the settings say nothing else.
const BODY: &str = "{\"phone\":\"{number}\",\"text\":\"{text}\",\"id\":\"{id}\"}";

#[cfg(test)]
mod tests {
    use std::path::Path;

    use sms::Carrier;

    use crate::reading_tests::{errors, reads};

    #[test]
    fn no_message_is_sent_without_a_carrier_and_numbers() {
        assert!(reads("").expect("defaults").sms.carrier.is_none());
        let mut found = errors("[sms]\ncarrier = \"http\"\n");
        found.sort();
        assert_eq!(found, ["sms.allow", "sms.http.url"]);
    }

    #[test]
    fn all_errors_of_a_carrier_come_at_once() {
        let mut found = errors("[sms]\ncarrier = \"smpp\"\n");
        found.sort();
        let expected =
            ["sms.allow", "sms.smpp.host", "sms.smpp.password_file", "sms.smpp.source", "sms.smpp.system_id"];
        assert_eq!(found, expected);
        let http = "[sms]\ncarrier = \"http\"\nallow = [\"1[3-9]XXXXXXXXX\"]\n[sms.http]\n";
        for (lines, key) in [
            ("url = \"ftp://a/\"\n", "sms.http.url"),
            ("url = \"http://a/\"\nsign = \"{id}\"\n", "sms.http.secret_file"),
            ("url = \"http://a/{signature}\"\n", "sms.http.sign"),
            ("url = \"http://a/\"\nbody = \"{nummer}\"\n", "sms.http.body"),
            ("url = \"http://a/\"\nbody = \"a\"\n", "sms.http.body"),
            ("url = \"http://a/\"\nheaders = [\"X\"]\n", "sms.http.headers"),
            ("url = \"http://a/\"\nheaders = [\"X: {text}\"]\n", "sms.http.headers"),
            ("url = \"http://a/\"\nok_status = [\"302\"]\n", "sms.http.ok_status"),
            ("url = \"http://a/\"\nok_field = \"code\"\n", "sms.http.ok_values"),
        ] {
            let found = errors(&format!("{http}{lines}"));
            assert!(found.iter().all(|found| found == key) && !found.is_empty(), "{lines}: {found:?}");
        }
    }

    #[test]
    fn a_carrier_is_read_with_its_files_beside_the_settings() {
        let text = "[sms]\ncarrier = \"http\"\nallow = [\"1[3-9]XXXXXXXXX\"]\n[sms.http]\nurl = \"https://a/\"\nsign = \"{time}{body}\"\nsecret_file = \"sms.secret\"\n";
        let settings = reads(text).expect("good settings").sms;
        let Some(Carrier::Http(http)) = settings.carrier else { panic!("a carrier by HTTP") };
        assert_eq!(http.secret_file.as_deref(), Some(Path::new("/nowhere/sms.secret")));
        assert_eq!(settings.limits.allowed("138 0000 0000").as_deref(), Some("13800000000"));
    }
}
