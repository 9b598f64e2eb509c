//! What of a scenario others may not read.

use super::Scenario;

/// Stands for arguments that are left out.
const LEFT_OUT: &str = "…";

impl Scenario {
    /// The scenario as it may be shown around: without its tokens, the user in its address, and the arguments of its
    /// audit, which may name a database with its password.
    #[must_use]
    pub fn without_secrets(mut self) -> Scenario {
        let server = &mut self.server;
        for token in [
            &mut server.publish_token,
            &mut server.watch_token,
            &mut server.operator_token,
        ] {
            token.clear();
        }
        if let Ok(mut url) = server.url.parse::<reqwest::Url>()
            && (!url.username().is_empty() || url.password().is_some())
        {
            // An address with a host takes both.
            let _ = (url.set_username(""), url.set_password(None));
            server.url = url.into();
        }
        self.audit = program_of(&self.audit);
        self
    }
}

/// A command without its arguments.
pub(crate) fn program_of(command: &[String]) -> Vec<String> {
    let arguments = command.get(1..).filter(|arguments| !arguments.is_empty());
    let left_out = arguments.map(|_| LEFT_OUT.to_owned());
    command.first().cloned().into_iter().chain(left_out).collect()
}
