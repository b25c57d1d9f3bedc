//! The `jindu` command: everything is in the `cli` wing.

fn main() -> std::process::ExitCode {
    cli::run::run(std::env::args_os())
}
