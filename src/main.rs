//! Vitrine: see `vitrine --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    match vitrine::cli::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("vitrine: {error:#}");
            ExitCode::FAILURE
        }
    }
}
