//! The `jindu` command: everything is in the `shell` room.

fn main() -> std::process::ExitCode {
    shell::run::run(std::env::args_os())
}
