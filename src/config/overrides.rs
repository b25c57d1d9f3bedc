//! `--set KEY=VALUE` over the file, and `[[trunk]]` as tables by name, so that both spell a key `trunk.NAME.KEY`.
//!
//! A table of another list goes by its name too: `queue.NAME.KEY`, `inquiry.receipt.NAME.KEY`, `replica.key.NAME.KEY`.

use toml::{Table, Value};

use super::table_reader::{Diagnostic, SettingPlace};
use base::{Bilingual, bilingual};

/// Applies `KEY=VALUE` texts in order.
pub(super) fn set_all(table: &mut Table, overrides: &[String], diagnostics: &mut Vec<Diagnostic>) {
    let usual = default_trunks();
    let known = trunk_names(table.get(TRUNK).unwrap_or(&usual));
    for text in overrides {
        diagnostics.extend(set(table, text).err());
    }
    // A key of a trunk that is not there begins a further one, if it gets addresses too; else the name is a slip.
    let set = |name: &str| overrides.iter().any(|text| text.trim_start().starts_with(&format!("{TRUNK}.{name}.")));
    let Some(Value::Array(trunks)) = table.get_mut(TRUNK) else { return };
    trunks.retain(|trunk| {
        let name = trunk.get("name").and_then(Value::as_str).unwrap_or_default();
        let is_slip = !known.iter().any(|known| known == name) && set(name) && trunk.get("addresses").is_none();
        if is_slip {
            let what = bilingual!(
                "there is no such trunk; the settings have {}. A further one needs --set {TRUNK}.{name}.addresses=…",
                "没有这条中继；设置中有 {}。新增一条须写 --set {TRUNK}.{name}.addresses=…",
                known.join(", ")
            );
            let code = Some("trunk.unknown");
            let place = SettingPlace::CommandLine;
            diagnostics.push(Diagnostic { place, code, what, ..Diagnostic::of(&format!("{TRUNK}.{name}")) });
        }
        !is_slip
    });
}

fn trunk_names(trunks: &Value) -> Vec<String> {
    let all = trunks.as_array().into_iter().flatten();
    all.filter_map(|trunk| Some(trunk.get("name")?.as_str()?.to_owned())).collect()
}

/// Gives a diagnostic of a key that `--set` names its place; also one of a table in a list, which goes by its number there, if the
/// words quote the field or the value.
pub(super) fn locate(diagnostic: &mut Diagnostic, overrides: &[String]) {
    let what = &*diagnostic.what.en;
    let sets = |(key, value): (&str, &str)| match diagnostic.key.split_once('[') {
        None if key == diagnostic.key => true,
        // A list of tables that is wrong as a whole: its words name the field.
        None => field_below(key, &diagnostic.key).is_some_and(|field| what.split(' ').any(|word| word == field)),
        Some((list, _)) => {
            let quoted = what.split('`').nth(1).unwrap_or_default();
            field_below(key, list).is_some_and(|field| [field, value.trim_matches('"')].contains(&quoted))
        }
    };
    if diagnostic.place == SettingPlace::Unknown && pairs(overrides).any(sets) {
        diagnostic.place = SettingPlace::CommandLine;
    }
}

/// The same for a table that the file lacks, above a key that `--set` names.
pub(super) fn locate_above(diagnostic: &mut Diagnostic, overrides: &[String]) {
    let is_above = |(key, _): (&str, &str)| field_below(key, &diagnostic.key).is_some();
    if diagnostic.place == SettingPlace::Unknown && pairs(overrides).any(is_above) {
        diagnostic.place = SettingPlace::CommandLine;
    }
}

/// The last part of a key that lies below another one.
fn field_below<'a>(key: &'a str, above: &str) -> Option<&'a str> {
    key.strip_prefix(above)?.strip_prefix('.')?.rsplit('.').next()
}

fn pairs(overrides: &[String]) -> impl Iterator<Item = (&str, &str)> {
    overrides.iter().filter_map(|text| text.split_once('=')).map(|(key, value)| (key.trim(), value.trim()))
}

/// Applies one `KEY=VALUE`. The value is TOML (`5`, `true`, `["a"]`) or, failing that, plain text.
fn set(table: &mut Table, text: &str) -> Result<(), Diagnostic> {
    let wrong = |what: Bilingual| Diagnostic {
        place: SettingPlace::CommandLine,
        what,
        ..Diagnostic::of(&format!("--set {text}"))
    };
    let (key, value) = text.split_once('=').ok_or_else(|| {
        wrong(Bilingual::fixed("must be KEY=VALUE, as in phone.calls_max=500", "应为 键=值，如 phone.calls_max=500"))
    })?;
    let value = parsed(value.trim());
    let mut parts: Vec<&str> = key.trim().split('.').collect();
    let last = parts.pop().filter(|part| !part.is_empty()).ok_or_else(|| {
        wrong(Bilingual::fixed("must name a key, as in phone.calls_max=500", "应写明键，如 phone.calls_max=500"))
    })?;
    let mut here = table;
    if parts.first() == Some(&TRUNK) {
        let name = parts.get(1).ok_or_else(|| {
            wrong(Bilingual::fixed(
                "must be trunk.NAME.KEY=VALUE, as in trunk.local.studio=true",
                "应为 trunk.名称.键=值，如 trunk.local.studio=true",
            ))
        })?;
        here = trunk_table(here, name).ok_or_else(|| {
            wrong(Bilingual::fixed("needs trunks that are tables: [[trunk]]", "要求中继写成表：[[trunk]]"))
        })?;
        parts.drain(..2);
    }
    let mut walked: Vec<&str> = Vec::new();
    let mut parts = parts.into_iter();
    while let Some(part) = parts.next() {
        walked.push(part);
        let list = walked.join(".");
        if here.get(part).is_some_and(Value::is_array) || NAMED_LISTS.contains(&&*list) {
            let name = parts
                .next()
                .ok_or_else(|| wrong(bilingual!("must be {list}.NAME.KEY=VALUE", "应为 {list}.名称.键=值")))?;
            walked.push(name);
            here = named_table(here, part, &list, name).map_err(wrong)?;
            continue;
        }
        let inner = here.entry(part).or_insert_with(|| Value::Table(Table::new()));
        here = inner
            .as_table_mut()
            .ok_or_else(|| wrong(Bilingual::fixed("has a key below one that is not a table", "的上级不是表")))?;
    }
    here.insert(last.to_owned(), value);
    Ok(())
}

/// The table of this name in a list of tables.
fn named_table<'a>(table: &'a mut Table, key: &str, list: &str, name: &str) -> Result<&'a mut Table, Bilingual> {
    let tables: &mut [Value] = match table.get_mut(key) {
        Some(Value::Array(tables)) => tables,
        Some(_) | None => &mut [],
    };
    let names: Vec<String> = tables.iter().filter_map(name_of).map(str::to_owned).collect();
    if names.is_empty() && !tables.is_empty() {
        return Err(bilingual!(
            "goes below {list}, whose items have no names: give the whole list, as in --set {list}=[…]",
            "写在 {list} 之下，而其中各项没有名称：请写出整个列表，如 --set {list}=[…]"
        ));
    }
    let found = tables.iter_mut().filter(|one| name_of(one) == Some(name)).find_map(Value::as_table_mut);
    found.ok_or_else(|| match names.as_slice() {
        [] => bilingual!(
            "is of a table that is not there: write [[{list}]] with name = {name:?} in the settings file first",
            "所属的表不存在：请先在设置文件中写 [[{list}]]，其中 name = {name:?}"
        ),
        names => bilingual!(
            "is of a table that is not there: the names in [[{list}]] are {}",
            "所属的表不存在：[[{list}]] 中的名称有 {}",
            names.join(", ")
        ),
    })
}

fn name_of(table: &Value) -> Option<&str> {
    table.get("name")?.as_str()
}

fn parsed(text: &str) -> Value {
    let plain = || Value::String(text.to_owned());
    match toml::from_str::<Table>(&format!("v = {text}")) {
        Ok(mut table) => match table.remove("v") {
            Some(Value::Float(_) | Value::Datetime(_)) | None => plain(),
            Some(value) => value,
        },
        Err(_) => plain(),
    }
}

/// The table of the trunk of this name; a further one if there is none.
fn trunk_table<'a>(table: &'a mut Table, name: &str) -> Option<&'a mut Table> {
    let trunks = table.entry(TRUNK).or_insert_with(default_trunks).as_array_mut()?;
    let is_named = |trunk: &Value| trunk.get("name").and_then(Value::as_str) == Some(name);
    let at = trunks.iter().position(is_named).unwrap_or(trunks.len());
    if at == trunks.len() {
        trunks.push(Value::Table(Table::from_iter([("name".to_owned(), Value::from(name))])));
    }
    trunks.get_mut(at)?.as_table_mut()
}

/// Without any `[[trunk]]`: the machine itself may call.
fn default_trunks() -> Value {
    let addresses: Vec<Value> = super::values::LOOPBACK.map(Value::from).into();
    let local = [("name".to_owned(), Value::from("local")), ("addresses".to_owned(), Value::Array(addresses))];
    Value::Array(vec![Value::Table(Table::from_iter(local))])
}

/// Makes tables by name of the array of trunks, `trunk.NAME`, and returns the names in the file's order. A trunk whose
/// name cannot be used is called `#2`, by its place.
pub(super) fn name_trunks(table: &mut Table, diagnostics: &mut Vec<Diagnostic>) -> Vec<String> {
    let mut report = |code, key: String, value: Option<String>, what: Bilingual| {
        diagnostics.push(Diagnostic { code: Some(code), value, what, ..Diagnostic::of(&key) });
    };
    let (mut named, mut names) = (Table::new(), Vec::new());
    let written = table.remove(TRUNK).unwrap_or_else(default_trunks);
    let Value::Array(written) = written else {
        report(
            "trunk.tables",
            TRUNK.into(),
            None,
            Bilingual::fixed(
                "must be written as tables: [[trunk]], with name = \"carrier\" in each",
                "应写成表：[[trunk]]，每个表中有 name = \"carrier\"",
            ),
        );
        return names;
    };
    for (n, trunk) in written.into_iter().enumerate() {
        let place = format!("#{}", n + 1);
        let name = trunk.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        let usable = is_name(&name) && !named.contains_key(&name);
        let key = if usable { name.clone() } else { place };
        if !trunk.is_table() {
            report(
                "trunk.tables",
                format!("{TRUNK}.{key}"),
                None,
                Bilingual::fixed("must be a table: [[trunk]]", "应为表：[[trunk]]"),
            );
            continue;
        }
        if !usable && is_name(&name) {
            let what = Bilingual::fixed(
                "is the name of an earlier trunk: give each its own",
                "与前面的中继重名：请各取不同名称",
            );
            report("trunk.duplicate_name", format!("{TRUNK}.{key}.name"), Some(name), what);
        } else if !usable {
            let value = Some(name).filter(|name| !name.is_empty());
            report(
                "trunk.name",
                format!("{TRUNK}.{key}.name"),
                value,
                Bilingual::fixed("must be 1 to 32 of a-z, 0-9 and -", "应为 1 至 32 个 a-z、0-9 或 -"),
            );
        }
        named.insert(key.clone(), trunk);
        names.push(key);
    }
    table.insert(TRUNK.to_owned(), Value::Table(named));
    names
}

fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=32).contains(&name.len()) && name.bytes().all(plain)
}

const TRUNK: &str = "trunk";
/// Lists of tables with names, which the file need not have.
const NAMED_LISTS: [&str; 3] = ["queue", "inquiry.receipt", "replica.key"];
