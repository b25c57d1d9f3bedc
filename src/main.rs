//! The `jindu` command: everything is in the `cli` wing.

/// Calls take and give back small pieces of memory on several threads at once.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    cli::run::run(std::env::args_os())
}
