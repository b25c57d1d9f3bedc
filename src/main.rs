//! The `jindu` command: everything is in the library's `shell` room.

fn main() -> std::process::ExitCode {
    std::process::ExitCode::SUCCESS
}
