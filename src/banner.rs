//! What is said when the server runs: everything a person needs to begin.

use std::fmt;
use std::path::PathBuf;

/// Where everything is.
#[derive(Clone, Debug)]
pub(crate) struct Banner {
    /// How this server is reached, without a slash at the end.
    pub(crate) url: String,
    /// The room to begin with.
    pub(crate) room: String,
    /// Whether its viewer page is `/`.
    pub(crate) is_front: bool,
    /// A token to publish and to host with.
    pub(crate) token: String,
    /// UDP ports.
    pub(crate) media_ports: Vec<u16>,
    /// Whether they take ICE-TCP, too.
    pub(crate) media_tcp: bool,
    /// The data folder.
    pub(crate) data: PathBuf,
}

impl fmt::Display for Banner {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Banner { url, room, token, .. } = self;
        let ports: Vec<String> = self.media_ports.iter().map(u16::to_string).collect();
        let kinds = if self.media_tcp { "UDP and TCP" } else { "UDP" };
        let watch = if self.is_front {
            String::new()
        } else {
            format!("watch/{room}")
        };
        writeln!(out, "\nVitrine {} is on.\n", env!("CARGO_PKG_VERSION"))?;
        writeln!(out, "  Watch and buy   {url}/{watch}")?;
        writeln!(out, "  Host page       {url}/host/{room}#token={token}")?;
        writeln!(out, "  Publish (WHIP)  {url}/whip/{room}")?;
        writeln!(out, "  Bearer token    {token}")?;
        writeln!(out, "  Media ports     {kinds} {}", ports.join(", "))?;
        writeln!(out, "  Data            {}", self.data.display())?;
        writeln!(
            out,
            "\nThe token is good for room {room}, to publish and to host. Ctrl-C ends the server.\n"
        )
    }
}
