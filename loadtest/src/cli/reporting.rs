//! `report` and `compare`: results that are already there.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;

use super::running::{tell, write};
use crate::report::{Comparison, MOST_RUNS, Run};

#[derive(Args, Debug)]
pub(super) struct Report {
    /// Result files; several are merged: load machines that ran the same scenario at the same time.
    #[arg(required = true, value_name = "RESULT.json")]
    results: Vec<PathBuf>,
    /// Where the report goes: this name with `.json` and `.html`; `report` when not given.
    #[arg(long, value_name = "PATH", default_value = "report")]
    out: PathBuf,
}

impl Report {
    pub(super) fn run(self, json: bool) -> anyhow::Result<()> {
        let mut merged: Option<Run> = None;
        for path in &self.results {
            let run = Run::read(path)?;
            match &mut merged {
                None => merged = Some(run),
                Some(merged) => merged.merge(run)?,
            }
        }
        let run = merged.context("no result given")?;
        write(&run, &self.out)?;
        tell(&run, json)?;
        anyhow::ensure!(run.has_passed(), "it did not pass");
        Ok(())
    }
}

#[derive(Args, Debug)]
pub(super) struct Compare {
    /// Result files, each with a name of your choice in front (`before=a.json`); the first is what the others are
    /// compared with.
    #[arg(required = true, num_args = 2..=MOST_RUNS, value_name = "[NAME=]RESULT.json")]
    results: Vec<String>,
    /// Where the page goes: this name with `.html`.
    #[arg(long, value_name = "PATH", default_value = "compare")]
    out: PathBuf,
}

impl Compare {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let mut runs = Vec::new();
        for result in &self.results {
            let (name, path) = match result.split_once('=') {
                Some((name, path)) if !Path::new(result).is_file() => (name.to_owned(), Path::new(path)),
                _ => {
                    let path = Path::new(result);
                    (
                        path.file_stem()
                            .unwrap_or_default()
                            .to_string_lossy()
                            .into_owned(),
                        path,
                    )
                }
            };
            runs.push((name, Run::read(path)?));
        }
        let comparison = Comparison::new(&runs);
        print!("{}", comparison.to_text());
        let page = self.out.with_extension("html");
        std::fs::write(&page, comparison.to_html()).with_context(|| page.display().to_string())?;
        eprintln!("page: {}", page.display());
        Ok(())
    }
}
