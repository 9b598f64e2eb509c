//! `report` and `compare`: results that are already there.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;

use super::print;
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
        eprintln!("report: {}.html, {}.json", self.out.display(), self.out.display());
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
    pub(super) fn run(self, json: bool) -> anyhow::Result<()> {
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
        print(json, &comparison.to_json(), || print!("{}", comparison.to_text()))?;
        let page = with_html(self.out);
        std::fs::write(&page, comparison.to_html()).with_context(|| page.display().to_string())?;
        eprintln!("page: {}", page.display());
        Ok(())
    }
}

/// A name with `.html` behind it; names with other dots keep them.
fn with_html(name: PathBuf) -> PathBuf {
    if name.extension().is_some_and(|ending| ending == "html") {
        return name;
    }
    let mut name = name.into_os_string();
    name.push(".html");
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_keeps_the_name_it_is_given() {
        for (given, made) in [
            ("cmp", "cmp.html"),
            ("cmp.html", "cmp.html"),
            ("a/v1.2", "a/v1.2.html"),
        ] {
            assert_eq!(with_html(given.into()), Path::new(made));
        }
    }
}
