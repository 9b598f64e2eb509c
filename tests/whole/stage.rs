//! A server that the load test is aimed at, by the command line that operators use.

use std::path::Path;
use std::process::Output;

use loadtest::report::Run;

use super::server::{Server, vitrine_says};

/// A server with the load test aimed at it.
pub(super) struct Stage {
    pub(super) server: Server,
    pub(super) operator: String,
}

impl Stage {
    pub(super) fn start() -> Stage {
        let server = Server::start(&["--no-demo"]);
        let operator = server.token_for("operator");
        Stage { server, operator }
    }

    pub(super) fn folder(&self) -> &Path {
        self.server.folder.as_ref().unwrap().path()
    }

    pub(super) fn arguments(&self, name: &str, sets: &[&str]) -> Vec<String> {
        let (pid, out) = (self.server.id().to_string(), self.folder().join(name));
        let mut arguments: Vec<String> = [
            "loadtest",
            "run",
            name,
            "--url",
            &self.server.url,
            "--operator-token",
            &self.operator,
            "--server-pid",
            &pid,
            "--out",
            out.to_str().unwrap(),
        ]
        .map(str::to_owned)
        .into();
        // Times depend on what else this machine does; that is judged where they are measured.
        let patient = [
            "first_picture_p95_ms",
            "one_way_p95_ms",
            "one_way_p99_ms",
            "message_p95_ms",
            "stock_p99_ms",
            "receipt_p99_ms",
            "freeze_p95_ms",
            "freezes_per_viewer_hour",
        ];
        // Of few viewers the usual share may be none.
        let all = "groups=[{ name = \"viewers\", inspect = 1.0 }]";
        let alike = !loadtest::scenario::shipped(name).unwrap().contains("[[groups]]");
        for set in alike.then_some(all).iter().chain(sets) {
            arguments.extend(["--set".to_owned(), (*set).to_owned()]);
        }
        let shipped = loadtest::scenario::shipped(name).unwrap();
        for figure in patient.into_iter().filter(|figure| shipped.contains(figure)) {
            let table = if shipped.contains("[search.limits]") {
                "search.limits"
            } else {
                "thresholds"
            };
            arguments.extend(["--set".to_owned(), format!("{table}.{figure}.max=20000")]);
        }
        arguments
    }

    /// Runs a scenario; its result and what was said.
    pub(super) fn run(&self, name: &str, sets: &[&str]) -> (Run, Output) {
        let arguments = self.arguments(name, sets);
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        let output = vitrine_says(self.folder(), &arguments);
        for kind in ["json", "html"] {
            let shown = std::fs::read_to_string(self.folder().join(format!("{name}.{kind}"))).unwrap();
            assert!(!shown.contains(&self.operator), "reports are shown around");
        }
        (self.result(name), output)
    }

    pub(super) fn result(&self, name: &str) -> Run {
        Run::read(&self.folder().join(format!("{name}.json"))).unwrap()
    }

    /// Runs a scenario that must pass.
    pub(super) fn pass(&self, name: &str, sets: &[&str]) -> Run {
        let (run, output) = self.run(name, sets);
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success(),
            "{name}: {said}\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(said.contains(&run.sentence()), "{said}");
        let html = std::fs::read_to_string(self.folder().join(format!("{name}.html"))).unwrap();
        assert!(html.contains("passed") && html.contains("<svg"));
        run
    }
}
