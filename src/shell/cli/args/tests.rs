//! What command lines mean.

use clap::error::ErrorKind;

use super::account::AccountCommand;
use super::*;

fn read_in(line: &str, lang: OfficeLang) -> Result<(Arguments, OfficeLang), (clap::Error, OfficeLang)> {
    super::read(std::iter::once("jindu").chain(line.split_whitespace()).map(Into::into), lang)
}

fn read(line: &str) -> Result<Arguments, clap::Error> {
    read_in(line, OfficeLang::En).map(|(arguments, _)| arguments).map_err(|(error, _)| error)
}

fn command(line: &str) -> Command {
    read(line).expect(line).command.expect(line)
}

fn refused(line: &str) -> ErrorKind {
    read(line).expect_err(line).kind()
}

#[test]
fn the_table_is_sound() {
    table().debug_assert();
}

#[test]
fn no_command_serves_and_settings_count_wherever_they_stand() {
    assert!(read("").expect("right").command.is_none());
    let asked = read("--config a/config/j.toml --set a.b=1 serve --set c=2").expect("right");
    assert_eq!((asked.set, asked.config), (vec!["a.b=1".into(), "c=2".into()], PathBuf::from("a/config/j.toml")));
    assert!(matches!(asked.command, Some(Command::Serve)));
}

#[test]
fn accounts_are_named_and_have_one_of_two_roles() {
    let Command::Studio(Studio::Account(AccountCommand::Add { name, role, number, .. })) =
        command("studio account add li --role approver --number 77")
    else {
        panic!("another command")
    };
    assert_eq!((name.as_str(), role, number.as_deref()), ("li", ::studio::Role::Approver, Some("77")));
    assert!(read("studio account role li operator").is_ok() && read("studio account list").is_ok());
    for wrong in ["studio", "studio account", "studio account add li", "studio account role li boss"] {
        assert!(read(wrong).is_err(), "{wrong}");
    }
    assert_eq!(refused("studio account pin li --role operator"), ErrorKind::UnknownArgument);
}

#[test]
fn help_is_printed_for_one_command_or_for_all() {
    let help = |line: &str| {
        let error = read(line).expect_err("help");
        assert_eq!(error.kind(), ErrorKind::DisplayHelp, "{line}");
        assert!(!error.use_stderr());
        error.to_string()
    };
    let whole = help("help");
    assert_eq!(whole, help("--help"));
    let names: Vec<String> = table().get_subcommands().map(|command| command.get_name().to_owned()).collect();
    assert!(names.len() > 15);
    for name in names {
        assert!(whole.contains(&format!("\n  {name} ")), "{name}");
        assert_eq!(help(&format!("help {name}")).is_empty(), help(&format!("{name} --help")).is_empty());
    }
    assert!(help("publish --help").contains("--allow-missing") && !help("publish --help").contains("rollback"));
    assert_eq!(refused("help me"), ErrorKind::InvalidSubcommand);
}

#[test]
fn options_that_do_not_fit_the_command_are_refused() {
    assert_eq!(refused("serve --cases 5"), ErrorKind::UnknownArgument);
    assert_eq!(refused("lookup"), ErrorKind::MissingRequiredArgument);
    assert_eq!(refused("lookup 1 2"), ErrorKind::UnknownArgument);
    assert_eq!(refused("sample --cases many --out x"), ErrorKind::ValueValidation);
    assert_eq!(refused("check --sip"), ErrorKind::UnknownArgument);
    assert_eq!(refused("dance"), ErrorKind::InvalidSubcommand);
    assert_eq!(refused("flow x.svg"), ErrorKind::MissingRequiredArgument);
    assert!(read("chekc").expect_err("wrong").to_string().contains("'check'"));
}

#[test]
fn call_sheets_are_run_in_text_or_over_sip() {
    let way = |line: &str| match command(line) {
        Command::Test(test) => test.read().map(|(way, sheets)| (sheets.len(), way)),
        other => panic!("{other:?}"),
    };
    assert_eq!(way("test a.call").expect("right"), (1, Way::InText));
    assert_eq!(way("test --sip a.call b.call").expect("right"), (2, Way::OverSip));
    let address = || Way::OverSipTo("127.0.0.1:5060".into());
    assert_eq!(way("test --sip 127.0.0.1:5060 a.call").expect("right"), (1, address()));
    assert_eq!(way("test --sip=127.0.0.1:5060 a.call").expect("right"), (1, address()));
    assert!(way("test --sip 127.0.0.1:5060").is_err());
}

#[test]
fn a_live_sample_is_a_feed_that_is_played() {
    let line = "sample --live --out spool --rate 5 --cases 40";
    let Command::Feed(feed::FeedCommand::Play(play)) = command(line) else { panic!("another command") };
    let (play, packing) = play.read();
    assert_eq!((play.cases, play.rate, packing.is_some()), (40, 5.0, true));
    assert_eq!(refused("feed play"), ErrorKind::MissingRequiredArgument);
    assert_eq!(refused("feed play --sql --out x"), ErrorKind::ArgumentConflict);
    assert_eq!(refused("feed pack x.ndjson --heartbeat --out x"), ErrorKind::ArgumentConflict);
    assert_eq!(refused("feed play --sql --rate 2000000"), ErrorKind::ValueValidation);
    assert_eq!(refused("feed pack --out x --source Office"), ErrorKind::ValueValidation);
}

#[test]
fn the_replica_is_asked_in_the_words_of_the_guides() {
    use replica_store::{OperatorCommand, Request};
    let asked = |line: &str| match command(line) {
        Command::Replica(arguments) => (arguments.json, OperatorCommand::from(arguments)),
        other => panic!("{other:?}"),
    };
    assert!(matches!(asked("replica status --json"), (true, OperatorCommand::Ask(Request::Status))));
    assert!(matches!(asked("replica quarantine"), (false, OperatorCommand::Ask(Request::Quarantine))));
    assert!(matches!(asked("replica quarantine list"), (false, OperatorCommand::Ask(Request::Quarantine))));
    assert!(matches!(asked("replica quarantine retry 7"), (_, OperatorCommand::Ask(Request::Retry { id: Some(_) }))));
    assert!(matches!(asked("replica held"), (_, OperatorCommand::Held)));
    assert!(matches!(asked("replica held apply"), (_, OperatorCommand::Ask(Request::Decide { .. }))));
    assert!(matches!(asked("replica verify"), (_, OperatorCommand::Verify)));
}

#[test]
fn prompts_are_named_by_language_and_slot() {
    let prompts = |line: &str| match command(line) {
        Command::Prompts(command) => *command,
        other => panic!("{other:?}"),
    };
    let prompts::PromptCommand::Play { sound, file, .. } = prompts("prompts play yue/digit.m.7 --master") else {
        panic!("another command")
    };
    assert_eq!((sound.read(), file), (prompts::Sound::Master, PathBuf::from("-")));
    assert_eq!(refused("prompts takes digit.m.7"), ErrorKind::ValueValidation);
    assert_eq!(refused("prompts play yue/digit.m.7 --master --original"), ErrorKind::ArgumentConflict);
}

#[test]
fn the_manual_page_and_completions_name_every_command() {
    let mut page = Vec::new();
    clap_mangen::Man::new(table()).render(&mut page).expect("memory takes it");
    let mut script = Vec::new();
    clap_complete::generate(Shell::Bash, &mut table(), "jindu", &mut script);
    let page = String::from_utf8_lossy(&page).replace("\\-", "-");
    let (page, script) = (page, String::from_utf8_lossy(&script).into_owned());
    for command in table().get_subcommands() {
        assert!(page.contains(command.get_name()) && script.contains(command.get_name()), "{}", command.get_name());
    }
}

#[test]
fn the_language_is_an_option_that_wins_wherever_it_stands() {
    let lang = |line: &str| match read_in(line, OfficeLang::Zh) {
        Ok((_, lang)) | Err((_, lang)) => lang,
    };
    assert_eq!(lang("check"), OfficeLang::Zh);
    assert_eq!(["check --lang en", "--lang=en check", "chekc --lang en"].map(lang), [OfficeLang::En; 3]);
    assert_eq!(refused("check --lang fr"), ErrorKind::InvalidValue);
    let coverage = |line: &str| match command(line) {
        Command::Prompts(command) => match *command {
            prompts::PromptCommand::Coverage { slots, .. } => slots.wanted(false).lang,
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    };
    assert_eq!(
        coverage("prompts coverage --spoken yue --lang zh"),
        Some(base::Lang::Yue),
        "--lang is that of the command line"
    );
    assert_eq!(coverage("prompts coverage --spoken zh --json"), Some(base::Lang::Zh));
}

#[test]
fn help_and_errors_are_in_chinese_throughout() {
    let chinese = |line: &str| read_in(line, OfficeLang::Zh).expect_err(line).0;
    let english = ["Usage", "Options", "Commands", "Arguments", "Print", "default:", "possible values"];
    let mut lines = vec!["--help".to_owned(), "replica quarantine --help".to_owned()];
    lines.extend(table().get_subcommands().map(|command| format!("{} --help", command.get_name())));
    for line in lines {
        let help = chinese::words_of_clap(&chinese(&line).to_string());
        assert!(english.iter().all(|word| !help.contains(word)), "{help}");
        assert!(help.contains("用法：jindu"), "{help}");
    }
    for line in ["chekc", "calls --lang fr", "lookup", "sample --cases many --out x", "feed play --sql --out x", "a b"]
    {
        let text = errors::in_chinese(&chinese(line));
        assert!(text.starts_with("错误：") && !text.contains("error"), "{text}");
    }
}

#[test]
fn a_number_out_of_its_range_is_told_the_range_in_words() {
    let line = "kiosk add hall-1 --hall north --valid 0";
    let english = errors::in_english(&read(line).expect_err(line)).expect("clap writes 1..=1440");
    assert!(english.contains("must be 1 to 1440") && !english.contains("..="), "{english}");
    let chinese = errors::in_chinese(&read_in(line, OfficeLang::Zh).expect_err(line).0);
    assert!(chinese.contains("应为 1 至 1440 的整数") && !chinese.contains("..="), "{chinese}");
}
