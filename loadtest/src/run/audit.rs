//! The scenario's audit command.

use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use crate::report::Audit;
use crate::scenario::program_of;

/// The books of a large shop are read in seconds.
const PATIENCE: Duration = Duration::from_secs(120);
/// Of what it wrote, the end: there the verdict is.
const MAX_SAID_BYTES: usize = 2_000;

/// Runs the command; none when there is none.
pub(super) async fn run(command: &[String]) -> Option<Audit> {
    let (program, arguments) = command.split_first()?;
    let ran = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let (is_ok, said) = match tokio::time::timeout(PATIENCE, ran).await {
        Err(_) => (false, format!("it did not end within {PATIENCE:?}")),
        Ok(Err(error)) => (false, error.to_string()),
        Ok(Ok(output)) => {
            let said = [output.stdout, output.stderr].concat();
            let end = said
                .get(said.len().saturating_sub(MAX_SAID_BYTES)..)
                .unwrap_or_default();
            (
                output.status.success(),
                String::from_utf8_lossy(end).trim().to_owned(),
            )
        }
    };
    Some(Audit {
        command: program_of(command),
        is_ok,
        said,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_command_that_fails_or_is_not_there_fails_the_audit() {
        let run = |script: &str| {
            let command = ["sh", "-c", script].map(str::to_owned);
            async move { run(&command).await.unwrap() }
        };
        let good = run("echo The books are right.").await;
        assert_eq!((good.is_ok, good.said.as_str()), (true, "The books are right."));
        let bad = run("echo two units too many >&2; exit 1").await;
        assert_eq!((bad.is_ok, bad.said.as_str()), (false, "two units too many"));
        assert!(!super::run(&["/no/such/program".to_owned()]).await.unwrap().is_ok);
        assert_eq!(super::run(&[]).await, None);
    }
}
