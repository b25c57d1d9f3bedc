//! The command line in Chinese: every command's and argument's help, and the words around them that clap has in English only.
//!
//! The table of commands stays the one of [`super::table`]; this one gives each entry its Chinese text.

use clap::{Arg, ArgAction, Command};

use super::chinese_texts::TEXTS;

/// The table of commands with Chinese help.
pub(super) fn in_chinese(command: Command) -> Command {
    let name = command.get_name().to_owned();
    translated(command, &name, true)
}

/// The Chinese text of a command, `feed pack`, or of an argument, `feed pack/as_of`. An argument that means the same in several
/// commands is `*/json`.
fn text_of(path: &str) -> Option<&'static str> {
    let find = |path: &str| TEXTS.iter().find(|(known, _)| *known == path).map(|(_, text)| *text);
    find(path).or_else(|| path.split_once('/').and_then(|(_, argument)| find(&format!("*/{argument}"))))
}

fn translated(command: Command, path: &str, is_root: bool) -> Command {
    let has_commands = command.has_subcommands();
    let mut command = command
        .help_template("{before-help}{about-with-newline}\n用法：{usage}\n\n{all-args}{after-help}")
        .subcommand_help_heading("命令")
        .disable_help_flag(true)
        .mut_args(|arg| argument(arg, path))
        .mut_subcommands(|sub| {
            let name = sub.get_name().to_owned();
            translated(sub, &if is_root { name } else { format!("{path} {name}") }, false)
        });
    if let Some(about) = text_of(path) {
        command = command.about(about).long_about(None);
    }
    if has_commands {
        command = command.subcommand_value_name("命令");
    }
    let help = Arg::new("help").short('h').long("help").action(ArgAction::Help);
    command = command.arg(help.help("显示帮助").help_heading(OPTIONS));
    if is_root {
        let version = Arg::new("version").short('V').long("version").action(ArgAction::Version);
        command = command.disable_version_flag(true).arg(version.help("显示版本").help_heading(OPTIONS));
        command = command.after_help("退出码：0 完成，1 失败，64 命令行、设置或文件有误");
    }
    command
}

/// An argument with its Chinese help, and its default and its values in Chinese words.
fn argument(arg: Arg, path: &str) -> Arg {
    let heading = if arg.is_positional() { "参数" } else { OPTIONS };
    let Some(text) = text_of(&format!("{path}/{}", arg.get_id())) else { return arg.help_heading(heading) };
    let mut help = text.to_owned();
    let takes_value = !matches!(arg.get_action(), ArgAction::SetTrue | ArgAction::SetFalse | ArgAction::Count);
    let defaults: Vec<String> =
        arg.get_default_values().iter().map(|value| value.to_string_lossy().into_owned()).collect();
    if takes_value && !defaults.is_empty() {
        help.push_str(&format!(" [默认：{}]", defaults.join("、")));
    }
    let values: Vec<String> = arg.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect();
    if takes_value && !values.is_empty() {
        help.push_str(&format!(" [可选：{}]", values.join("、")));
    }
    let arg = arg.help(help).long_help(None).help_heading(heading);
    if takes_value { arg.hide_default_value(true).hide_possible_values(true) } else { arg }
}

/// What clap adds by itself, in Chinese.
pub(crate) fn words_of_clap(help: &str) -> String {
    help.replace("Print this message or the help of the given subcommand(s)", "显示本说明或指定命令的帮助")
        .replace("Print help for the subcommand(s)", "显示指定命令的帮助")
        .replace("[OPTIONS]", "[选项]")
        .replace("\nArguments:", "\n参数：")
        .replace("命令:\n", "命令：\n")
        .replace("选项:\n", "选项：\n")
        .replace("参数:\n", "参数：\n")
}

const OPTIONS: &str = "选项";

#[cfg(test)]
mod tests {
    use super::*;

    fn missing(command: &Command, path: &str, is_root: bool, found: &mut Vec<String>) {
        let chinese = |text: &str| text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c));
        if !text_of(path).is_some_and(chinese) {
            found.push(path.to_owned());
        }
        for arg in command.get_arguments() {
            let key = format!("{path}/{}", arg.get_id());
            if !text_of(&key).is_some_and(chinese) {
                found.push(key);
            }
        }
        for sub in command.get_subcommands() {
            let name = sub.get_name();
            missing(sub, &if is_root { name.to_owned() } else { format!("{path} {name}") }, false, found);
        }
    }

    #[test]
    fn every_command_and_every_argument_has_a_chinese_text() {
        let mut found = Vec::new();
        missing(&super::super::table(), "jindu", true, &mut found);
        assert!(found.is_empty(), "without a Chinese text: {found:#?}");
    }

    #[test]
    fn no_text_is_of_a_command_that_does_not_exist() {
        fn paths(command: &Command, path: &str, is_root: bool, all: &mut Vec<String>) {
            all.push(path.to_owned());
            all.extend(command.get_arguments().map(|arg| format!("{path}/{}", arg.get_id())));
            for sub in command.get_subcommands() {
                let name = sub.get_name();
                paths(sub, &if is_root { name.to_owned() } else { format!("{path} {name}") }, false, all);
            }
        }
        let mut all = Vec::new();
        paths(&super::super::table(), "jindu", true, &mut all);
        let used = |known: &str| match known.strip_prefix('*') {
            Some(argument) => all.iter().any(|path| path.ends_with(argument)),
            None => all.iter().any(|path| path == known),
        };
        let unused: Vec<&str> = TEXTS.iter().map(|(known, _)| *known).filter(|known| !used(known)).collect();
        assert!(unused.is_empty(), "{unused:?}");
    }
}
