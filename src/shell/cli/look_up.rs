//! `jindu lookup`: what a caller would hear about a receipt.

use std::process::ExitCode;

use jiff::Timestamp;

use base::{Bilingual, Lang, bilingual};
use config::Settings;
use flow::LookUpAnswer;
use inquiry::{Answer, Factor, Proof};
use os::clock;
use release::hotline::Wording;
use replica_store::{Replica, Role};

use crate::call_words::code;
use crate::exit::{done, failed, print, wrong};
use crate::replica_commands::keys;
use crate::say::say;
use crate::secrets::ask;

/// The second factor as the command line gives it; `-` asks for it.
///
/// # Errors
/// It cannot be read.
pub(crate) fn tail(given: Option<String>) -> Result<Option<String>, Bilingual> {
    match given.as_deref() {
        Some("-") => ask(&Bilingual::fixed("ID tail", "证件号后四位"), None).map(|tail| Some(tail.into_inner())),
        Some(_) => {
            failed(&Bilingual::fixed(
                "other users of this machine can read --tail on the command line; --tail - asks for it",
                "本机其他用户可以看到命令行中的 --tail；--tail - 会改为询问",
            ));
            Ok(given)
        }
        None => Ok(None),
    }
}

/// Looks a receipt up in the replica and prints the answer in every language.
pub(crate) fn look_up(settings: &Settings, wording: &Wording, number: &str, tail: Option<String>) -> ExitCode {
    let receipt = match wording.rules.formats.from_keys(number) {
        Ok(receipt) => receipt,
        Err(error) => return wrong(&[error.text()]),
    };
    let kind = wording.rules.formats.of(&receipt).second_factor;
    let factor = match tail.map(|tail| Factor::read(kind, &tail)).transpose() {
        Ok(factor) => factor,
        Err(error) => return wrong(&[error.text()]),
    };
    // Nothing is created in a folder without a copy, not even its secret.
    let found = Replica::require(&settings.data.folder).map_err(|error| Bilingual::from(error.to_string()));
    done(found.and_then(|()| keys(settings)).and_then(|keys| {
        let replica = Replica::open(&settings.data.folder, &settings.replica, keys, Role::Read);
        let replica = replica.map_err(|error| error.to_string())?;
        let proof = factor.map_or(Proof::Paper, Proof::Factor);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| bilingual!("cannot start: {error}", "无法启动：{error}"))?;
        let answer = runtime.block_on(replica.look_up(&receipt, &proof));
        print_answer(wording, &answer, replica.now())
    }))
}

fn print_answer(wording: &Wording, answer: &Answer, now: Timestamp) -> Result<(), Bilingual> {
    let local = clock::local(&wording.zone);
    let (findings, result) = call::findings(&wording.rules, answer, local.date(), now);
    let result = code(result.name());
    say!("{result}", "{result:#}");
    if let LookUpAnswer::Found { facts, .. } = &findings
        && let Some((variable, word)) = flow::unknown_word(&wording.release.flow, facts)
    {
        return Err(bilingual!(
            "the flow has no word for {variable} = \"{word}\" of this case, so that nothing can be said: correct it upstream, or add it to the flow",
            "流程中没有 {variable} = “{word}” 的用词，无法播报：请在上游更正，或在流程中加上"
        ));
    }
    for lang in Lang::ALL {
        let words = flow::heard_answer(&wording.release, lang, findings.clone().into(), local, clock::now());
        let text: Vec<String> =
            words.into_iter().map(|utterance| utterance.text).filter(|text| !text.trim().is_empty()).collect();
        // Chinese sentences end in a full stop of their own width.
        let between = if lang == Lang::En { " " } else { "" };
        print(format!("{:<4} {}\n", lang.code(), text.join(between)));
    }
    match answer {
        Answer::Found { .. } => Ok(()),
        Answer::NotFound => {
            Err(Bilingual::fixed("no case has this number and tail", "没有与此回执号和核验信息相符的案件"))
        }
        Answer::Unavailable => Err(Bilingual::fixed("the replica could not be read", "无法读取副本")),
    }
}
