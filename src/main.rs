//! The `jindu` command: everything is in the library's `shell` room.

fn main() -> std::process::ExitCode {
    jindu::shell::run::run(std::env::args_os())
}
