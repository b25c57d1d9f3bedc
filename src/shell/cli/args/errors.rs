//! What is wrong with a command line, in Chinese: clap's own words are English only.

use std::error::Error as _;

use base::{Bilingual, OfficeLang};
use clap::Error;
use clap::error::{ContextKind, ContextValue, ErrorKind};

/// The error in Chinese: what is wrong, what may be meant, how the command is used.
pub(crate) fn in_chinese(error: &Error) -> String {
    let mut text = format!("错误：{}\n", what(error));
    for kind in [ContextKind::SuggestedSubcommand, ContextKind::SuggestedArg, ContextKind::SuggestedValue] {
        if let Some(meant) = shown(error, kind) {
            text.push_str(&format!("\n  提示：是否应为 {meant}？\n"));
        }
    }
    if let Some(usage) = shown(error, ContextKind::Usage) {
        let usage = usage.trim_start_matches("Usage:").trim().replace("[OPTIONS]", "[选项]");
        text.push_str(&format!("\n用法：{usage}\n"));
    }
    text.push_str("\n更多说明请用 --help\n");
    text
}

fn what(error: &Error) -> String {
    let or_empty = |kind| shown(error, kind).unwrap_or_default();
    let argument = or_empty(ContextKind::InvalidArg);
    let value = or_empty(ContextKind::InvalidValue);
    match error.kind() {
        ErrorKind::InvalidValue if value.is_empty() => format!("{argument} 缺少值{}", valid_values(error)),
        ErrorKind::InvalidValue => format!("{argument} 的值“{value}”无效{}", valid_values(error)),
        ErrorKind::UnknownArgument => format!("没有参数 {argument}"),
        ErrorKind::InvalidSubcommand => format!("没有命令 {}", or_empty(ContextKind::InvalidSubcommand)),
        ErrorKind::NoEquals => format!("{argument} 的值须写在 = 之后"),
        ErrorKind::ValueValidation => format!("{argument} 的值“{value}”无效：{}", reason(error)),
        ErrorKind::TooManyValues => format!("{argument} 的值过多：“{value}”"),
        ErrorKind::TooFewValues | ErrorKind::WrongNumberOfValues => format!("{argument} 的值的个数不对"),
        ErrorKind::ArgumentConflict => match shown(error, ContextKind::PriorArg) {
            Some(prior) if prior != argument => format!("{argument} 不能与 {prior} 同时使用"),
            Some(_) | None => format!("{argument} 不能多次使用"),
        },
        ErrorKind::MissingRequiredArgument => format!("缺少必需的参数：{argument}"),
        ErrorKind::MissingSubcommand => format!("{} 缺少下级命令", or_empty(ContextKind::InvalidSubcommand)),
        ErrorKind::InvalidUtf8 => "参数不是 UTF-8 文本".to_owned(),
        _ => reason(error),
    }
}

fn valid_values(error: &Error) -> String {
    let values = shown(error, ContextKind::ValidValue).filter(|values| !values.is_empty());
    values.map_or_else(String::new, |values| format!("，可选：{values}"))
}

/// What a parser of ours says of a value, else what clap says.
fn reason(error: &Error) -> String {
    let Some(source) = error.source() else { return error.to_string() };
    match source.downcast_ref::<Bilingual>() {
        Some(ours) => ours.of(OfficeLang::Zh).to_owned(),
        None => of_number(&source.to_string()),
    }
}

/// The message of an error with a clearer reason where a number is wrong; `None` where clap's own message is clear.
pub(crate) fn in_english(error: &Error) -> Option<String> {
    let text = error.to_string();
    let plain = text.replace(NO_NUMBER, "write a whole number").replace(TOO_LARGE, "the number is too large");
    Some(in_range(&plain)).filter(|ours| *ours != text)
}

/// `0 is not in 1..=1440`, as clap writes ranges, in words.
fn in_range(text: &str) -> String {
    let Some((before, after)) = text.split_once(" is not in ") else { return text.to_owned() };
    let range = after.split(char::is_whitespace).next().unwrap_or("");
    match range.split_once("..=") {
        Some((least, most)) => format!("{before} must be {least} to {most}{}", &after[range.len()..]),
        None => text.to_owned(),
    }
}

/// What the parsers of numbers say.
fn of_number(text: &str) -> String {
    if let Some((value, range)) = text.split_once(" is not in ") {
        return match range.split_once("..=") {
            Some((least, most)) => format!("应为 {least} 至 {most} 的整数"),
            None => format!("{value} 不在 {range} 之内"),
        };
    }
    match text {
        NO_NUMBER => "应为数字".to_owned(),
        TOO_LARGE => "数字过大".to_owned(),
        other => other.to_owned(),
    }
}

fn shown(error: &Error, kind: ContextKind) -> Option<String> {
    match error.get(kind)? {
        ContextValue::String(text) => Some(text.clone()),
        ContextValue::Strings(texts) => Some(texts.join("、")),
        ContextValue::StyledStr(text) => Some(text.to_string()),
        ContextValue::StyledStrs(texts) => Some(texts.iter().map(ToString::to_string).collect::<Vec<_>>().join("、")),
        ContextValue::Number(number) => Some(number.to_string()),
        ContextValue::Bool(_) | ContextValue::None => None,
        _ => None,
    }
}

/// `std::num::IntErrorKind::InvalidDigit`, as it prints.
const NO_NUMBER: &str = "invalid digit found in string";
/// `std::num::IntErrorKind::PosOverflow`, as it prints.
const TOO_LARGE: &str = "number too large to fit in target type";
